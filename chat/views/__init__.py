"""The three kinds of view: pages, the API's lists, and the stream."""
