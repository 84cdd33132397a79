"""Tables, whatever the file: rows of cells from CSV and from Excel workbooks, read in bounded memory."""
