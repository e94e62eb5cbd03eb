"""The report: what its pages say, as data; ``tables/templates/page`` says how it looks."""
