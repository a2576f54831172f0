"""PostgreSQL as a store: COPY, staging and merging, and whom an error of the server's blames."""
