// Ages grow by themselves, and the page says when its kernel no longer answers.
(function () {
  "use strict";
  const SILENT_MS = 25000;
  const lost = document.getElementById("pl-lost");
  let lastBeat = null;
  let heardAt = null;

  function words(seconds) {
    if (seconds < 60) return seconds + " s";
    if (seconds < 3600) return Math.floor(seconds / 60) + " min";
    if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
    return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
  }

  function growAges() {
    for (const element of document.querySelectorAll(".pl-age[data-seconds]")) {
      // The reader's clock may be wrong; only the time that has passed since this was drawn is added.
      if (element.drawnAt === undefined) element.drawnAt = performance.now();
      const seconds = Number(element.dataset.seconds) + Math.floor((performance.now() - element.drawnAt) / 1000);
      const text = words(seconds) + " ago";
      if (element.textContent !== text) element.textContent = text;
    }
  }

  function listen() {
    const page = document.querySelector(".pl-page");
    if (!page) return;
    const beat = page.querySelector("[data-beat]");
    const heard = beat ? beat.dataset.beat : "first";
    if (heard !== lastBeat || heardAt === null) {
      lastBeat = heard;
      heardAt = performance.now();
    }
    lost.hidden = performance.now() - heardAt < SILENT_MS;
  }

  function name(selector, label) {
    for (const element of document.querySelectorAll(selector)) {
      if (!element.hasAttribute("aria-label")) {
        element.setAttribute("role", "img");
        element.setAttribute("aria-label", label);
      }
    }
  }

  function nameCharts() {
    name(".pl-equity .pl-charts > .bqplot.figure", "Chart of equity and drawdown over time; the line above tells its values");
    name(".pl-exposure .bqplot.figure", "Bars of net exposure per underlying; the text below tells the values");
    name(".pl-allocation .bqplot.figure", "Ring of allocation; the list beside it tells the values");
    const select = document.querySelector(".pl-ranges");
    if (select && !select.hasAttribute("aria-label")) {
      select.setAttribute("role", "group");
      select.setAttribute("aria-label", "Range of the equity chart");
    }
  }

  // bqplot's crosshair waits for a click; readers expect it to follow the pointer at once.
  document.addEventListener("mouseover", function (event) {
    const area = event.target;
    if (area.classList && area.classList.contains("selectormouse") && !area.followed) {
      area.followed = true;
      area.dispatchEvent(new MouseEvent("click"));
    }
  });

  setInterval(function () { growAges(); listen(); nameCharts(); }, 1000);
})();
