"""One module for each page, with `page()`. Streamlit would use a folder named `pages` for its own navigation."""
