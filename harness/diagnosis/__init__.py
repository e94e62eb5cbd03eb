"""Why a number differs: known conditions are tried, and the one that makes the number is named."""
