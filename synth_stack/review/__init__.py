"""What people judge: which rows are read, the answers of reviewers, and what these say of rows and lots."""
