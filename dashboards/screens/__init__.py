"""One module a page; each has `page()`. (Streamlit would take a folder named `pages` for its own navigation.)"""
