"""disputenlp."""
