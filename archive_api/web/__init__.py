"""Pages for people: server-rendered, without a framework in the browser."""
