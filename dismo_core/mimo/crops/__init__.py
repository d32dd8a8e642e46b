"""Where the person is: silhouettes, boxes, the plan of crops, and square pictures for the network."""
