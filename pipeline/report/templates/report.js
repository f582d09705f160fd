// Draws the charts of the report from the data block of the page, when the library is unpacked.
(async () => {
  "use strict";
  // Packed it is a quarter of its size; the page's policy names the hash of what comes out, so that nothing else runs.
  const packed = Uint8Array.from(atob(document.getElementById("library").textContent), (each) => each.charCodeAt(0));
  const library = document.createElement("script");
  library.textContent = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  document.head.append(library);

  const streams = JSON.parse(document.getElementById("data").textContent).streams;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  // Sizes on paper (A4 or Letter within the margins of report.css): when printing begins the page still has its width
  // on the screen.
  const PAPER = { width: 664, time: 300, rate: 280 };
  const sized = (kind) => (printing ? { autosize: false, width: PAPER.width, height: PAPER[kind] } : {});
  const WORDS = [["bad", 10], ["poor", 30], ["fair", 50], ["good", 70], ["excellent", 90]];
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "pentagon", "star", "hexagon", "triangle-down"];
  const hidden = streams.map((stream) => stream.rungs.map(() => false));

  // Plotly reads a little HTML in texts; names come from outside and must stay text.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (text, most) => (text.length > most ? text.slice(0, most / 3) + "…" + text.slice(-(most * 2 / 3)) : text);

  const wrapped = (text) => plain(text).replace(/(.{48,}?) /g, "$1<br>");

  const theme = () => dark.matches && !printing
    ? { key: "dark", ink: "#e8eaed", soft: "#9aa3ad", line: "#2d3339", panel: "#1b1f23", wrong: "#ff8a7a" }
    : { key: "light", ink: "#1c2024", soft: "#5d666f", line: "#e3e5e8", panel: "#ffffff", wrong: "#b3261e" };
  const faded = (hex, alpha) => {
    const value = parseInt(hex.slice(1), 16);
    return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${alpha})`;
  };

  const clock = (seconds) => {
    const whole = Math.round(Math.abs(seconds));
    const two = (number) => String(number).padStart(2, "0");
    const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600), sign = seconds < 0 ? "-" : "";
    return sign + (hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`);
  };
  const ticks = (from, to, most) => {
    const steps = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
    const step = steps.find((each) => (to - from) / each <= most) || 86400;
    const values = [];
    for (let at = Math.ceil(from / step) * step; at <= to + 1e-6; at += step) values.push(at);
    const long = to - from > 120 || to > 600;
    return { values, texts: values.map((at) => (long ? clock(at) : `${+at.toFixed(1)} s`)) };
  };

  const frame = (colours) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", size: 12.5, color: colours.soft },
    hoverlabel: { bgcolor: colours.panel, bordercolor: colours.line, font: { color: colours.ink, size: 13 }, namelength: 24 },
    showlegend: false,
  });
  const scoreAxis = (colours, more) => ({
    range: [0, 101], tickvals: [0, 20, 40, 60, 80, 100], gridcolor: colours.line, zeroline: false, fixedrange: true, ...more,
  });
  const words = (colours, narrow) => narrow ? [] : WORDS.map(([word, y]) => ({
    text: word, x: 1, xref: "paper", xanchor: "left", xshift: 8, y, yref: "y", showarrow: false,
    font: { size: 12, color: colours.soft },
  }));

  function timeChart(element, stream, index) {
    const colours = theme(), narrow = !printing && element.clientWidth < 560;
    // As text: Plotly shows a Date, and a number too, in the zone of the reader.
    const at = (seconds) => (stream.live ? new Date(seconds * 1000).toISOString().slice(0, -1) : seconds);
    const traces = [], shapes = [];
    const every = stream.rungs.flatMap((rung) => rung.steps);
    const ends = stream.span || [Infinity, -Infinity];
    const from = Math.min(ends[0], ...every.map((step) => step.start)), to = Math.max(ends[1], ...every.map((step) => step.end));
    // Points to hover over, a few pixels apart whatever the length of a segment.
    const spread = (start, end) => {
      const number = Math.max(1, Math.round((end - start) / ((to - from) / 240)));
      return Array.from({ length: number }, (_, each) => start + (end - start) * (each + 0.5) / number);
    };
    const problems = stream.notes.filter((note) => note.severity === "problem");
    const lanes = stream.rungs.map((_, place) => place).filter((place) => problems.some((note) => note.rungs[0] === place));
    const foot = lanes.length ? Math.min(0.3, 0.05 + 0.045 * lanes.length) : 0;

    stream.rungs.forEach((rung, place) => {
      const colour = rung[colours.key], visible = !hidden[index][place];
      const band = { x: [], y: [] }, line = { x: [], y: [], customdata: [] }, dots = { x: [], y: [] };
      let upper = [], lower = [];
      const closeBand = () => {
        for (const [x, y] of upper) { band.x.push(at(x)); band.y.push(y); }
        for (const [x, y] of lower.reverse()) { band.x.push(at(x)); band.y.push(y); }
        band.x.push(null); band.y.push(null);
        upper = []; lower = [];
      };
      rung.steps.forEach((step, number) => {
        const before = rung.steps[number - 1];
        if (before && step.start - before.end > 0.25 * (step.end - step.start)) {
          line.x.push(null); line.y.push(null); line.customdata.push(null);
          closeBand();
        }
        for (const seconds of [step.start, ...spread(step.start, step.end), step.end]) {
          line.x.push(at(seconds)); line.y.push(step.score); line.customdata.push([plain(step.told), plain(step.more)]);
        }
        upper.push([step.start, step.high], [step.end, step.high]);
        lower.push([step.start, step.low], [step.end, step.low]);
        dots.x.push(at((step.start + step.end) / 2)); dots.y.push(step.score);
      });
      closeBand();
      traces.push({ ...band, type: "scatter", mode: "lines", fill: "toself", fillcolor: faded(colour, stream.rungs.length > 2 ? 0.07 : 0.12), line: { width: 0 }, hoverinfo: "skip", visible });
      traces.push({ ...line, type: "scatter", mode: "lines", line: { color: colour, width: rung.steps.length > 80 ? 1.4 : 2.5 }, name: plain(short(rung.label, 24)), hovertemplate: "%{customdata[0]} · %{customdata[1]}", visible });
      traces.push({
        ...dots, type: "scatter", mode: "markers", visible: visible && rung.steps.length <= 60, hoverinfo: "skip",
        marker: { color: colour, symbol: SYMBOLS[place % SYMBOLS.length], size: 7 },
      });
    });

    stream.ads.forEach(([start, end]) => {
      shapes.push({ type: "rect", xref: "x", x0: at(start), x1: at(end), yref: "y", y0: 0, y1: 101, layer: "below", fillcolor: faded(colours.soft, 0.16), line: { width: 0 } });
    });
    stream.shaded.filter((each) => !hidden[index][each.rung]).forEach((each) => each.spans.forEach(([start, end]) => {
      shapes.push({ type: "rect", xref: "x", x0: at(start), x1: at(end), yref: "y", y0: 0, y1: 101, layer: "below", fillcolor: faded(colours.wrong, 0.06), line: { width: 0 } });
    }));
    problems.forEach((note) => {
      const place = note.rungs[0];
      if (place === undefined) return;
      const colour = stream.rungs[place][colours.key], visible = !hidden[index][place];
      note.spans.forEach(([start, end]) => {
        const x = [start, ...spread(start, end), end].map(at);
        traces.push({
          x, y: x.map(() => lanes.indexOf(place)), text: x.map(() => wrapped(note.text)), yaxis: "y2", type: "scatter", mode: "lines",
          line: { color: colour, width: 9 }, hovertemplate: "%{text}<extra></extra>", visible, name: "",
        });
      });
    });

    const pad = (to - from) * 0.012 || 1;
    const marks = stream.live ? {} : ticks(from, to, narrow ? 5 : 12);
    const layout = {
      ...frame(colours), ...sized("time"), shapes, annotations: words(colours, narrow), hovermode: "x unified", dragmode: narrow ? false : "zoom",
      margin: { l: 34, r: narrow ? 8 : 72, t: 10, b: stream.live ? 50 : 34 },
      xaxis: {
        range: [at(from - pad), at(to + pad)], type: stream.live ? "date" : "linear", anchor: foot ? "y2" : "y", gridcolor: "rgba(0,0,0,0)", zeroline: false,
        linecolor: colours.line, ticks: "outside", tickcolor: colours.line, fixedrange: narrow, hoverformat: stream.live ? "%H:%M:%S" : ".1f",
        unifiedhovertitle: { text: stream.live ? "%{x|%H:%M:%S} UTC" : "%{x:.1f} s" }, spikecolor: colours.soft, spikethickness: -1, spikedash: "dot",
        ...(stream.live ? {} : { tickmode: "array", tickvals: marks.values, ticktext: marks.texts }),
      },
      yaxis: scoreAxis(colours, { domain: [foot, 1] }),
    };
    if (foot) {
      layout.yaxis2 = { domain: [0, foot - 0.035], range: [lanes.length - 0.4, -0.6], showgrid: false, zeroline: false, showticklabels: false, fixedrange: true };
    }
    Plotly.react(element, traces, layout, { displayModeBar: false, responsive: true, doubleClick: "reset" });
    if (!stream.live && !element.dataset.bound) {
      element.dataset.bound = "yes";
      element.on("plotly_relayout", (change) => {
        if (!("xaxis.range[0]" in change) && !change["xaxis.autorange"]) return;
        const now = element.layout.xaxis.range, fresh = ticks(now[0], now[1], narrow ? 5 : 12);
        Plotly.relayout(element, { "xaxis.tickvals": fresh.values, "xaxis.ticktext": fresh.texts });
      });
    }
  }

  function rateChart(element, stream) {
    const colours = theme(), narrow = element.clientWidth < 420;
    const rungs = stream.rungs.map((rung, place) => ({ ...rung, place })).filter((rung) => rung.bitrate_bps > 0);
    if (!rungs.length) { element.textContent = "No bitrate is known."; return; }
    const traces = [], annotations = [];
    const rates = rungs.map((rung) => rung.bitrate_bps);
    const low = Math.log10(Math.min(...rates)), high = Math.log10(Math.max(...rates)), pad = Math.max(0.08, (high - low) * 0.1);
    for (const codec of new Set(rungs.map((rung) => rung.codec))) {
      const family = rungs.filter((rung) => rung.codec === codec).sort((a, b) => a.bitrate_bps - b.bitrate_bps);
      traces.push({ x: family.map((rung) => rung.bitrate_bps), y: family.map((rung) => rung.mean), type: "scatter", mode: "lines", line: { color: colours.soft, width: 1.2, dash: "dot" }, hoverinfo: "skip" });
    }
    for (const rung of rungs) {
      const colour = rung[colours.key];
      traces.push({
        x: [rung.bitrate_bps], y: [rung.mean], type: "scatter", mode: "markers", name: "",
        error_y: { type: "data", symmetric: false, array: [rung.high - rung.mean], arrayminus: [rung.mean - rung.low], color: faded(colour, 0.5), thickness: 1.5, width: 4 },
        marker: { color: colour, size: 12, symbol: SYMBOLS[rung.place % SYMBOLS.length], line: { color: colours.panel, width: 1.5 } },
        text: [`<b>${plain(short(rung.label, 24))}</b><br>${plain(rung.told)}${rung.inverted ? "<br>looks worse than a cheaper rung" : ""}`],
        hovertemplate: "%{text}<extra></extra>",
      });
      if (rung.inverted) {
        traces.push({ x: [rung.bitrate_bps], y: [rung.mean], type: "scatter", mode: "markers", hoverinfo: "skip", marker: { symbol: "x-thin", size: 20, line: { color: colours.wrong, width: 2.5 } } });
      }
      annotations.push({
        x: Math.log10(rung.bitrate_bps), y: rung.mean, text: plain(short(rung.label, 18)) + (rung.inverted ? " ✕" : ""), showarrow: false,
        // The curve rises to the right: there is room under it on the left, above it on the right.
        ...(Math.log10(rung.bitrate_bps) > (low + high) / 2 ? { xanchor: "right", xshift: -11, yshift: 11 } : { xanchor: "left", xshift: 11, yshift: -11 }),
        font: { size: 12.5, color: rung.inverted ? colours.wrong : colours.ink },
      });
    }
    const nice = [];
    for (let power = 3; power < 10; power += 1) for (const lead of high - low > 1.3 ? [1, 3] : high - low > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8]) nice.push(lead * 10 ** power);
    const shown = nice.filter((bps) => Math.log10(bps) >= low - pad && Math.log10(bps) <= high + pad);
    const layout = {
      ...frame(colours), ...sized("rate"), annotations: [...annotations, ...words(colours, narrow)], hovermode: "closest", dragmode: false,
      margin: { l: 34, r: narrow ? 8 : 68, t: 10, b: 34 },
      xaxis: {
        type: "log", range: [low - pad, high + pad], tickvals: shown, ticktext: shown.map((bps) => (bps >= 1e6 ? `${+(bps / 1e6).toFixed(2)} Mbit/s` : `${Math.round(bps / 1e3)} kbit/s`)),
        gridcolor: colours.line, zeroline: false, linecolor: colours.line, fixedrange: true, tickangle: 0,
      },
      yaxis: scoreAxis(colours, {}),
    };
    Plotly.react(element, traces, layout, { displayModeBar: false, responsive: true });
  }

  function draw(element) {
    const index = Number(element.dataset.stream);
    element.dataset.drawn = "yes";
    if (element.dataset.chart === "time") timeChart(element, streams[index], index);
    else rateChart(element, streams[index]);
  }
  const charts = [...document.querySelectorAll("[data-chart]")];
  const redraw = () => charts.filter((each) => each.dataset.drawn).forEach(draw);

  document.querySelectorAll("[data-legend]").forEach((box) => {
    const index = Number(box.dataset.legend);
    if (streams[index].rungs.length < 2) return;
    streams[index].rungs.forEach((rung, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "rung";
      button.style.setProperty("--l", rung.light);
      button.style.setProperty("--d", rung.dark);
      button.setAttribute("aria-pressed", "true");
      button.title = "Show or hide";
      const dot = document.createElement("i"), name = document.createElement("span");
      dot.className = "dot";
      name.textContent = rung.label;
      button.append(dot, name);
      button.addEventListener("click", () => {
        hidden[index][place] = !hidden[index][place];
        button.setAttribute("aria-pressed", String(!hidden[index][place]));
        draw(charts.find((each) => each.dataset.chart === "time" && Number(each.dataset.stream) === index));
      });
      box.append(button);
    });
  });

  // A page of hundreds of streams draws what is looked at.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "600px" });
  charts.forEach((each, number) => (number < 8 ? draw(each) : watcher.observe(each)));
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => { printing = true; charts.forEach(draw); });
  addEventListener("afterprint", () => { printing = false; redraw(); });
})();
