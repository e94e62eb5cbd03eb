"""Tables and figures become pages."""
