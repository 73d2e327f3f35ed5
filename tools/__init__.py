"""Programs that make what the project ships: pictures of the documents, the demo picture, trained weights."""
