// Owns the colour theme: applied before the first paint, changed by #theme-switch; "system" is the absence of a choice.
(() => {
  const root = document.documentElement;
  const read = () => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  const write = (theme) => {
    try {
      if (theme === "light" || theme === "dark") localStorage.setItem("theme", theme);
      else localStorage.removeItem("theme");
    } catch {
      // Without storage the choice lasts for this page.
    }
    apply(theme);
  };
  // The style sheet hides elements that are only needed without script.
  root.dataset.js = "";
  apply(read());
  addEventListener("storage", (event) => event.key === "theme" && apply(event.newValue));
  // #theme-switch is a select, a group of radio buttons (values system, light, dark) or a check box for dark.
  document.addEventListener("change", ({ target }) => {
    if (target.closest("#theme-switch")) write(target.type === "checkbox" ? (target.checked ? "dark" : "light") : target.value);
  });
  document.addEventListener("DOMContentLoaded", () => {
    const control = document.getElementById("theme-switch");
    if (!control) return;
    const theme = read() ?? "system";
    if (control.type === "checkbox") control.checked = theme === "dark";
    else if (control.options) control.value = theme;
    else for (const input of control.querySelectorAll("input")) input.checked = input.value === theme;
  });
})();
