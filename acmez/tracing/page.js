
"use strict";
{
  const ROW = 26, SPARE_ROWS = 12, NARROW = 3;  // pixels, rows, pixels
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const spans = data.spans.map(([kind, group, name, start, length, failed, label, details]) =>
    ({kind: data.kinds[kind], group, name: data.names[name] ?? "", start, end: start + length, failed: !!failed, label, details}));
  const total = 1.01 * spans.reduce((latest, span) => Math.max(latest, span.end), 1);  // room for the last mark
  const hidden = new Set();
  const subjects = new WeakMap();  // element -> what it shows
  let rows = [], from = 0, to = total, cursor = -1, picked = null;

  const make = (tag, names = "", text = "") => {
    const element = document.createElement(tag);
    if (names) element.className = names;
    element.textContent = text;
    return element;
  };

  const time = (micros) => {
    if (micros < 1) return "0";
    if (micros < 1000) return `${micros} µs`;
    if (micros < 1e6) return `${+(micros / 1e3).toPrecision(3)} ms`;
    if (micros < 6e7) return `${+(micros / 1e6).toPrecision(3)} s`;
    const seconds = Math.round(micros / 1e6);
    return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  };

  // Groups are certificates, lanes are the names of each; what belongs to no certificate is a group of one lane.

  const lane = (name, title) => ({name, title, spans: [], shown: [], open: false});
  const groups = new Map();
  const grouped = (number) => {
    if (!groups.has(number)) {
      groups.set(number, {title: "account and nonces", span: null, lanes: new Map(), open: false});
    }
    return groups.get(number);
  };
  for (const span of spans) {
    const group = grouped(span.group);
    if (span.kind === "issuance") {
      group.span = span;
      group.title = span.label;
      continue;
    }
    if (!group.lanes.has(span.name)) group.lanes.set(span.name, lane(span.name, span.name || "order"));
    group.lanes.get(span.name).spans.push(span);
  }
  for (const group of groups.values()) {
    group.list = [...group.lanes.values()];
    group.all = group.list.flatMap((each) => each.spans);
    group.failed = group.span ? group.span.failed : group.all.some((span) => span.failed);
    for (const each of group.list) {
      each.proved = each.spans.some((span) => span.label === "proved");
      each.failed = !each.proved && each.spans.some((span) => span.failed);
    }
  }
  const certificates = [...groups.values()].filter((group) => group.span);
  if (certificates.length === 1) certificates[0].open = true;

  // Which rows there are

  const chosen = () => ({text: $("filter").value.trim().toLowerCase(), failed: $("failed").checked});

  const layOut = () => {
    const {text, failed} = chosen();
    rows = [];
    let names = 0;
    for (const group of groups.values()) {
      const whole = group.title.toLowerCase().includes(text);
      const found = group.list.filter((each) => {
        each.shown = each.spans.filter((span) => !hidden.has(span.kind));
        return each.shown.length && (whole || each.name.toLowerCase().includes(text))
          && (!failed || each.spans.some((span) => span.failed));
      });
      if (!found.length) continue;
      group.shown = found.flatMap((each) => each.shown);
      rows.push({level: 1, group, subject: group, spans: group.shown});
      names += found.filter((each) => each.name).length;
      const open = group.open || ((text || failed) && !group.shut);
      group.opened = open;
      if (!open) continue;
      for (const each of found) {
        if (group.span) rows.push({level: 2, group, subject: each, spans: each.shown});
        if (each.open || !group.span) for (const span of each.shown) rows.push({level: 3, group, subject: span, spans: [span]});
      }
    }
    $("shown").value = `${names} of ${data.summary.names} names · ${rows.length} rows`;
    $("empty").hidden = rows.length > 0;
    $("canvas").style.height = `${rows.length * ROW}px`;
    cursor = Math.min(cursor, rows.length - 1);
    draw();
  };

  // Drawing: only the rows that can be seen are there

  const bar = (span, left, width) => {
    const instant = span.end === span.start;
    const element = make("div", `${instant ? "mark" : "bar"} ${span.kind}${span.failed ? " bad" : ""}`);
    element.style.left = `${left}px`;
    if (!instant) element.style.width = `${Math.max(width, 2)}px`;
    subjects.set(element, span);
    if (span === picked) element.classList.add("picked");
    return element;
  };

  const paint = (track, shown, width) => {
    const scale = width / (to - from);
    const painted = {};  // the last pixel of each kind
    for (const span of shown) {
      const left = (span.start - from) * scale, right = (span.end - from) * scale;
      if (right < 0 || left > width) continue;
      const kind = span.kind + span.failed;
      const covered = right - left < NARROW && painted[kind] > left - 1 && span !== picked;
      if (!covered) track.append(bar(span, left, right - left));
      painted[kind] = Math.max(painted[kind] ?? -1, covered ? painted[kind] : Math.max(right, left + 2));
    }
  };

  const describe = ({level, group, subject, spans: shown}) => {
    if (level === 3) {
      const length = subject.end - subject.start;
      return {text: subject.label, time: length ? time(length) : "", failed: subject.failed, sign: subject.failed ? "✕" : ""};
    }
    const own = level === 1 && group.span ? [group.span] : shown;
    const length = Math.max(...own.map((s) => s.end)) - Math.min(...own.map((s) => s.start));
    const good = level === 1 ? group.span && !group.failed : subject.proved;
    return {text: subject.title, time: time(length), failed: subject.failed, sign: subject.failed ? "✕" : good ? "✓" : ""};
  };

  const rowAt = (index, width) => {
    const row = rows[index], {level, group, subject} = row, told = describe(row);
    const open = level === 1 ? group.opened : subject.open, leaf = level === 3;
    const element = make("div", `row level${level}${told.failed ? " failed" : ""}${leaf ? "" : " expandable"}${index === cursor ? " cursor" : ""}`);
    element.role = "treeitem";
    element.ariaLevel = level;
    if (!leaf) element.ariaExpanded = open;
    element.dataset.index = index;
    element.style.top = `${index * ROW}px`;
    const name = make("div", "name");
    if (!leaf) name.append(make("span", "twist", "›"));
    const text = make("span", "text", level === 1 ? told.text.replace(/ and (\d+) more$/, " +$1") : told.text);
    text.title = told.text;
    name.append(text, make("span", "time", told.time), make("span", "sign", told.sign));
    const track = make("div", "track");
    paint(track, level === 1 ? overview(group, row.spans) : row.spans, width);
    element.append(name, track);
    return element;
  };

  const overview = (group, shown) => {
    if (!group.span) return shown;
    const instant = (span) => span.end === span.start;
    const told = group.opened ? (span) => instant(span) && !span.name : (span) => !instant(span) || span.failed;
    return [group.span, ...shown.filter(told)];
  };

  const ticks = (width) => {
    const least = (to - from) * 90 / width, power = 10 ** Math.floor(Math.log10(least));
    const step = Math.max(1, [1, 2, 5, 10].find((factor) => factor * power >= least) * power);
    const found = [];
    for (let at = Math.ceil(from / step) * step; at < to; at += step) found.push(at);
    return found;
  };

  const draw = () => {
    const view = $("rows"), width = $("axis").clientWidth;
    if (!width) return;
    const at = (micros) => `${(micros - from) / (to - from) * width}px`;
    const marks = ticks(width);
    $("axis").replaceChildren(...marks.map((micros) => {
      const room = (to - micros) / (to - from) * width > 50;
      const tick = make("div", "tick", room ? time(Math.round(micros)) : "");
      tick.style.left = at(micros);
      return tick;
    }));
    const first = Math.max(0, Math.floor(view.scrollTop / ROW) - SPARE_ROWS);
    const last = Math.min(rows.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW) + SPARE_ROWS);
    const shown = [];
    for (let index = first; index < last; index++) shown.push(rowAt(index, width));
    const rules = marks.map((micros) => {
      const rule = make("div", "rule");
      rule.style.left = `calc(var(--names) + ${at(micros)})`;
      return rule;
    });
    $("canvas").replaceChildren(...rules, ...shown);
  };

  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };

  // Details

  const facts = (span) => {
    const {error, reason, problem, ...more} = span.details;
    const certificate = groups.get(span.group);
    return Object.entries({
      name: span.name, certificate: span.kind !== "issuance" && certificate.span ? certificate.title : "",
      start: time(span.start), took: span.end > span.start ? time(span.end - span.start) : "", ...more, error, reason, problem,
    }).filter(([, value]) => value !== undefined && value !== "");
  };

  const list = (entries) => {
    const bad = new Set(["error", "reason", "problem"]), element = make("dl");
    for (const [name, value] of entries) element.append(make("dt", "", name.replace("_", " ")), make("dd", bad.has(name) ? "bad" : "", String(value)));
    return element;
  };

  const pick = (span) => {
    picked = span;
    $("tip").hidden = true;
    $("details").hidden = !span;
    if (span) {
      const title = make("h2"), close = make("button", "", "×");
      close.ariaLabel = "Close";
      close.addEventListener("click", () => pick(null));
      title.append(make("span", `swatch ${span.kind}`), make("span", "", span.label), close);
      $("details").replaceChildren(title, list([["kind", span.kind], ...facts(span)]));
    }
    redraw();
  };

  const hover = (event) => {
    const span = subjects.get(event.target);
    $("tip").hidden = !span || span === picked;
    if ($("tip").hidden) return;
    const brief = facts(span).filter(([name]) => ["name", "took", "status", "attempt", "solver", "error", "reason", "problem"].includes(name));
    $("tip").replaceChildren(make("strong", "", span.label), list([...brief, ["at", time(span.start)]]));
    const {width, height} = $("tip").getBoundingClientRect();
    $("tip").style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
    $("tip").style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
  };

  const toggle = (index, open) => {
    const {level, group, subject} = rows[index];
    if (level === 1) {
      group.open = open ?? !group.opened;
      group.shut = !group.open;
    } else if (level === 2) subject.open = open ?? !subject.open;
    layOut();
  };

  const openAll = (open) => {
    for (const group of groups.values()) {
      group.open = open;
      group.shut = !open;
      if (!open) for (const each of group.list) each.open = false;
    }
    layOut();
  };

  // Zoom

  const zoom = (start, end) => {
    const length = Math.min(total, Math.max(end - start, 10));
    from = Math.max(0, Math.min(start, total - length));
    to = from + length;
    redraw();
  };
  const scaled = (factor, center = (from + to) / 2) => zoom(center - (center - from) * factor, center + (to - center) * factor);
  const timeAt = (x) => {
    const box = $("axis").getBoundingClientRect();
    return from + (x - box.left) / box.width * (to - from);
  };

  $("axis").addEventListener("pointerdown", (down) => {
    const range = make("div", "range"), start = down.offsetX;
    $("axis").setPointerCapture(down.pointerId);
    $("axis").append(range);
    const move = (event) => {
      range.style.left = `${Math.min(start, event.offsetX)}px`;
      range.style.width = `${Math.abs(event.offsetX - start)}px`;
    };
    $("axis").addEventListener("pointermove", move);
    $("axis").addEventListener("pointerup", (up) => {
      $("axis").removeEventListener("pointermove", move);
      range.remove();
      const [left, right] = [down.clientX, up.clientX].sort((a, b) => a - b).map(timeAt);
      if (Math.abs(up.clientX - down.clientX) > 4) zoom(left, right);
    }, {once: true});
  });
  $("axis").addEventListener("dblclick", () => zoom(0, total));
  $("rows").addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) scaled(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event.clientX));
    else if (event.shiftKey || event.deltaX) {
      const by = (event.deltaX || event.deltaY) / $("axis").clientWidth * (to - from);
      zoom(from + by, to + by);
    } else return;
    event.preventDefault();
  }, {passive: false});
  $("in").addEventListener("click", () => scaled(0.5));
  $("out").addEventListener("click", () => scaled(2));
  $("fit").addEventListener("click", () => zoom(0, total));

  // What the mouse and the keys do

  $("rows").addEventListener("scroll", redraw);
  $("rows").addEventListener("pointermove", hover);
  $("rows").addEventListener("pointerleave", () => { $("tip").hidden = true; });
  $("rows").addEventListener("click", (event) => {
    const row = event.target.closest(".row"), span = subjects.get(event.target);
    if (!row) return;
    cursor = +row.dataset.index;
    if (span) pick(span);
    else if (rows[cursor].level === 3) pick(rows[cursor].subject);
    else if (event.target.closest(".name")) toggle(cursor);
    else redraw();
  });
  $("rows").addEventListener("keydown", (event) => {
    const moves = {ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -rows.length, End: rows.length};
    if (event.key in moves && rows.length) {
      cursor = Math.max(0, Math.min(rows.length - 1, cursor + moves[event.key]));
      const view = $("rows"), top = cursor * ROW;
      if (top < view.scrollTop) view.scrollTop = top;
      else if (top + ROW > view.scrollTop + view.clientHeight) view.scrollTop = top + ROW - view.clientHeight;
      redraw();
    } else if (cursor >= 0 && event.key === "ArrowRight") toggle(cursor, true);
    else if (cursor >= 0 && event.key === "ArrowLeft") toggle(cursor, false);
    else if (cursor >= 0 && event.key === "Enter") rows[cursor].level === 3 ? pick(rows[cursor].subject) : toggle(cursor);
    else if (event.key === "Escape") pick(null);
    else return;
    event.preventDefault();
  });
  $("filter").addEventListener("input", () => { $("rows").scrollTop = 0; layOut(); });
  $("failed").addEventListener("change", layOut);
  $("expand").addEventListener("click", () => openAll(true));
  $("collapse").addEventListener("click", () => openAll(false));
  new ResizeObserver(redraw).observe($("axis"));

  // What stands above

  const told = data.summary;
  const fact = (title, value, bad) => {
    const element = make("div"), number = make("dd", "", value);
    if (bad) number.append(" ", make("small", "bad", bad));
    element.append(make("dt", "", title), number);
    $("summary").append(element);
  };
  const failedOf = (count) => count ? `${count} failed` : "";
  $("when").textContent = data.started && new Date(data.started).toLocaleString(undefined, {dateStyle: "medium", timeStyle: "medium"});
  fact("took", time(Math.round(told.seconds * 1e6)));
  fact(told.certificates === 1 ? "certificate" : "certificates", told.certificates, failedOf(told.failed_certificates));
  fact(told.names === 1 ? "name" : "names", told.names, failedOf(told.failed_names));
  fact("requests", told.requests, failedOf(told.failed_requests));
  fact(told.connections === 1 ? "connection" : "connections", told.connections);
  if (told.slowest.length > 1) $("slowest").append("Slowest:");
  for (const [name, seconds] of told.slowest.length > 1 ? told.slowest : []) {
    const button = make("button", "", `${name} `);
    button.append(make("b", "", time(Math.round(seconds * 1e6))));
    button.addEventListener("click", () => { $("filter").value = name; layOut(); });
    $("slowest").append(button);
  }
  for (const kind of data.kinds.filter((each) => each !== "issuance")) {
    const count = spans.filter((span) => span.kind === kind).length;
    if (!count) continue;
    const button = make("button");
    button.append(make("span", `swatch ${kind}`), kind, make("small", "", count));
    button.dataset.kind = kind;
    button.ariaPressed = true;
    button.addEventListener("click", () => {
      if (!hidden.delete(kind)) hidden.add(kind);
      button.ariaPressed = !hidden.has(kind);
      layOut();
    });
    $("kinds").append(button);
  }
  layOut();
}
