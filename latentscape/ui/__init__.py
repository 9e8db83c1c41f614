"""What the pages share; beside it a room for each page, which no other room enters."""
