// Page "Evaluations": held-out results before and after training, with their intervals, and the items behind them where
// a run recorded any.

const page_evaluations = (() => {
  const { h, svg } = dom;
  const WIDTH = 260;

  // A share on a line from 0 to 1 with its interval.
  function interval({ figures, low, high }) {
    const x = (share) => 6 + share * (WIDTH - 12);
    return svg(
      "svg",
      {
        class: "interval",
        width: WIDTH,
        height: 20,
        role: "img",
        "aria-label": `${dom.percent(figures.success)}, interval ${dom.percent(low)} to ${dom.percent(high)}`,
      },
      svg("path", { class: "axis", d: `M${x(0)} 10H${x(1)}M${x(0)} 7v6M${x(0.5)} 8v4M${x(1)} 7v6` }),
      svg("path", { class: "range", d: `M${x(low)} 10H${x(high)}M${x(low)} 5v10M${x(high)} 5v10` }),
      svg("circle", { class: "point", cx: x(figures.success), cy: 10, r: 4.5 }),
    );
  }

  function heldOutTable() {
    const rows = data.summary.runs.flatMap((run) =>
      run.held_out.map((result) =>
        h(
          "tr",
          null,
          h("td", null, run.name),
          h("td", null, result.name),
          h("td", { class: "count strong" }, dom.percent(result.figures.success)),
          h("td", { class: "count" }, `${dom.percent(result.low)} – ${dom.percent(result.high)}`),
          h("td", { class: "wide" }, interval(result)),
          h("td", { class: "count wide" }, dom.signed(result.figures.reward)),
          h("td", { class: "count wide" }, dom.number(result.figures.tool_calls, 2)),
          h("td", { class: "count wide" }, dom.percent(result.figures.format_errors)),
          h("td", { class: "count" }, dom.number(result.figures.episodes, 0)),
        ),
      ),
    );
    if (!rows.length)
      return app.empty(
        "No held-out evaluation is finished yet.",
        "A run evaluates before and after training and keeps both with its checkpoints.",
      );
    const plain = ["run", "when"],
      counts = [
        ["success", ""],
        ["95% interval", ""],
        ["", "wide"],
        ["reward", "wide"],
        ["tool calls", "wide"],
        ["format errors", "wide"],
        ["episodes", ""],
      ];
    return h(
      "div",
      { class: "scroll" },
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            plain.map((name) => h("th", { scope: "col" }, name)),
            counts.map(([name, where]) => h("th", { scope: "col", class: `count ${where}` }, name)),
          ),
        ),
        h("tbody", null, rows),
      ),
    );
  }

  function items(parameters) {
    const files = data.summary.runs.flatMap((run, at) =>
      run.files.filter((file) => file.kind === "evaluation").map((file) => ({ run: at, file })),
    );
    if (!files.length)
      return [
        h("h2", null, "Items"),
        h("p", { class: "quiet" }, "No episodes of an evaluation are kept in these runs; appo eval RUN keeps them."),
      ];
    const chosen =
      files.find(({ run, file }) => String(run) === parameters.run && file.key === parameters.file) ?? files[0];
    const { element, controls, bindings } = page_steps.table(chosen.run, chosen.file, parameters);
    keys.local(bindings);
    const label = ({ run, file }) =>
      `${data.summary.runs.length > 1 ? `${data.summary.runs[run].name}, ` : ""}${file.key.replace(/^evaluation_/, "").replaceAll("_", " ")}`;
    const picker = dom.select(
      "evaluation",
      files.map((it, at) => [at, label(it)]),
      files.indexOf(chosen),
      (value) => route.change({ run: files[value].run, file: files[value].file.key }),
    );
    return [h("div", { class: "bar-row" }, h("h2", null, "Items"), picker, controls), element];
  }

  function render({ parameters }) {
    keys.local([]);
    return [h("h2", null, "Held-out success"), heldOutTable(), items(parameters)];
  }

  return { name: "evaluations", title: "Evaluations", render };
})();
