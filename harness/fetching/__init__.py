"""Published files come here: whole or not at all, resumed, checked, several at once."""
