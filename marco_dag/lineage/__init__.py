"""Where every row came from: events and the DuckDB views over them."""
