"""Tables: records and the paper's numbers to Markdown, LaTeX, HTML, CSV; and the diff."""
