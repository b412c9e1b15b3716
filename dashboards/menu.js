// In a narrow window Streamlit's list of pages has boxes of sections between its items: no list that a screen reader
// knows. Without the roles, the pages are links of a navigation. A section that is opened has new items. No text here
// may look like a tag: Streamlit would leave the script out.
(() => {
  const ITEMS = "[data-testid=stSidebarNavItems], [data-testid=stSidebarNavItems] li";
  const plain = () => document.querySelectorAll(ITEMS).forEach((item) => item.setAttribute("role", "none"));
  plain();
  if (window.menuWatched) return; // the page's script runs again and again
  window.menuWatched = true;
  new MutationObserver(plain).observe(document.body, { childList: true, subtree: true });
})();
