"""An evaluation as one HTML file that works offline: the figures as tables, and predicted against true per question."""

from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from workers.training.evaluate import Evaluation
from workers.training.figures import Figures

_TEMPLATES = Path(__file__).parent / "templates"
_COLUMNS = ("srocc", "plcc", "krocc", "rmse", "within", "pairs", "coverage")
_ACROSS = 3  # charts in a row
_CHART_PX = 320

QUESTIONS = {
    "ladder": "in a ladder: best rung alone, the others against it",
    "ladder_poorer_reference": "against a poorer reference (1 to 4 best rungs taken away)",
    "alone": "each clip alone",
    "alone_no_facts": "alone, stream facts hidden (--facts none)",
    "small": "alone, 1/6 to 1/16 of the display",
    "still": "stills, alone",
    "cascade": "cascades (bad source, good encode), alone",
    "fault": "a rung with a fault (noise, blur, damage and more), against the best rung",
    "fault_alone": "a fault that a picture shows by itself (noise, combing, damage, loss), alone",
}
"""The names of the questions, in words."""
_BY = {"fault": "fault", "fault_alone": "fault"}


def write_page(evaluation: Evaluation, path: Path) -> None:
    """Write the page; its charts show every clip, its file name under the pointer."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables = {
        "Questions": {QUESTIONS.get(name, name): found for name, found in evaluation.questions.items()},
        "Baselines, each clip alone": evaluation.baselines,
        **{
            f"{QUESTIONS.get(name, name)}, by {_BY.get(name, 'codec and size')}": dict(sorted(group.items()))
            for name, group in evaluation.groups.items()
        },
    }
    page = environment.get_template("evaluation.html.j2").render(
        model=evaluation.model,
        columns=_COLUMNS,
        tables={title: [(name, _row(found)) for name, found in rows.items()] for title, rows in tables.items()},
        severity={name: f"{share:.3f}" for name, share in evaluation.severity.items()},
        chart=Markup(_chart(evaluation).to_html(full_html=False, include_plotlyjs=False)),
        library=Markup(get_plotlyjs()),
    )
    path.write_text(page, encoding="utf-8")


def _row(figures: Figures) -> list[str]:
    values = figures.to_dict()
    cells = ["-" if values[key] != values[key] else f"{values[key]:.{1 if key == 'rmse' else 3}f}" for key in _COLUMNS]
    return [str(figures.clips), *cells]


def _chart(evaluation: Evaluation) -> go.Figure:
    names = list(evaluation.answers)
    lines = -(-len(names) // _ACROSS)
    figure = make_subplots(lines, _ACROSS, subplot_titles=[name.replace("_", " ") for name in names])
    for index, name in enumerate(names):
        place = {"row": index // _ACROSS + 1, "col": index % _ACROSS + 1}
        answers = evaluation.answers[name]
        dots = go.Scatter(
            x=[truth for _, truth, _ in answers],
            y=[said for said, _, _ in answers],
            text=[file for _, _, file in answers],
            mode="markers",
            marker={"size": 5, "opacity": 0.6, "color": "#2663b2"},
        )
        figure.add_trace(dots, **place)
        figure.add_trace(go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": "#999", "width": 1}), **place)
    figure.update_xaxes(range=[0, 100], title="VMAF")
    figure.update_yaxes(range=[0, 100], title="predicted")
    figure.update_layout(showlegend=False, height=_CHART_PX * lines, template="simple_white")
    return figure
