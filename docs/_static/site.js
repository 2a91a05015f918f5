// What the theme leaves out for keyboards and screen readers.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".bd-article table, .bd-article pre, .bd-article .math")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; // it scrolls, so the keyboard must reach it
  }
  for (const head of document.querySelectorAll("th")) {
    if (!head.textContent.trim()) head.outerHTML = "<td></td>";
  }
  for (const summary of document.querySelectorAll(".bd-sidebar-primary summary")) {
    const link = summary.closest("li")?.querySelector("a");
    summary.setAttribute("aria-label", `Pages of ${link?.textContent.trim() || "this section"}`);
  }
  for (const button of document.querySelectorAll(".search-button-field")) button.removeAttribute("aria-label");
  const sidebar = document.getElementById("pst-primary-sidebar");
  if (sidebar && sidebar.tagName !== "DIALOG") {
    sidebar.setAttribute("role", "complementary");
    sidebar.setAttribute("aria-label", "Site");
  }
});
