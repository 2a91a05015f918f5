"""Records on disk become figures, tables and a page; trains nothing."""
