"""What the bulk commands show and write: progress, lines, results files and reports."""
