"""Questions people ask and the queries that answer them, as a page to copy from; the tests run each."""
