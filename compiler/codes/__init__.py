"""What values look like in the stream: codes, affine expressions of cells, and the integers a dtype holds exactly."""
