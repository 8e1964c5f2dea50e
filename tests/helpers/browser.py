"""Pages in a real browser, opened from disk."""

import os
import shutil
from contextlib import contextmanager

import pytest

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    "--window-size=1200,1000",
)
# chrome: is the browser's own start page, which may still be loading.
LOCAL = ("file:", "data:", "chrome:")

# Contrast of every colour of text used on the page against what lies behind it.
CONTRASTS = """
// color-mix comes back as color(srgb 0.6 0.7 0.7), all else as rgb(153, 178, 178).
const levels = (text) => text.match(/[0-9.]+/g).map(Number)
  .map((value, at) => (text.startsWith("color(srgb") && at < 3 ? value * 255 : value));
const light = (text) => {
  const [r, g, b] = levels(text).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (levels(colour)[3] !== 0) return colour;
  }
};
const found = {};
for (const element of document.querySelectorAll("main *, header *, footer *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.closest("script, .divider")) continue;
  const style = getComputedStyle(element);
  const [a, b] = [light(element.closest("svg") ? style.fill : style.color), light(behind(element))];
  const ratio = Math.max(a, b) / Math.min(a, b);
  found[element.tagName + "." + (element.getAttribute("class") ?? "")] = ratio;
}
return found;
"""


def start(profile):
    """A browser without a window; skips the test where there is none."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not (chromium and chromedriver):
        # Continuous integration must not pass because the browser went missing.
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no chromium and chromedriver here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(chromedriver))


@contextmanager
def emulated(driver, width, *, dark):
    """The open page at a width, px; a phone below 500."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def wait(driver, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 10).until(lambda _: condition())


def one(driver, selector):
    return driver.find_element("css selector", selector)
