"""Result records: schema and store."""
