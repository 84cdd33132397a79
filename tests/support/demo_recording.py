"""Records the demo as a picture that moves: ``python -m tests.support.demo_recording`` writes docs/demo.svg."""

import asyncio
import io
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console, RenderableType
from rich.segment import Segment, Segments

from kaspi_delivery_async.cli.demo.run import perform
from kaspi_delivery_async.cli.demo.snapshot import Scene
from kaspi_delivery_async.cli.demo.tables import live_table, summary

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"

WIDTH, HEIGHT = 100, 22  # columns and lines of the terminal
EVERY = 1.6  # seconds of the demo between two frames
FRAME, LAST = 1.0, 6.0  # seconds that a frame is shown

PAGE = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <title>kaspi-delivery demo</title>
    <style>
    text {{ font-family: "Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 20px;
           font-variant-east-asian: full-width; white-space: pre; }}
    g.frame {{ opacity: 0; }}
    g.frame:last-of-type {{ opacity: 1; }}
    {styles}
    </style>
    <rect width="100%" height="100%" rx="8" fill="#292929"/>
{frames}
</svg>
"""

MOTION = """\
    @media (prefers-reduced-motion: no-preference) {{
        g#frame{number} {{ animation: show{number} {length}s step-end infinite; }}
        @keyframes show{number} {{ 0% {{ opacity: 0 }} {start:.2f}% {{ opacity: 1 }} {end:.2f}% {{ opacity: 0 }} }}
    }}
"""


class Recording:
    """A view that keeps a scene from time to time, and the last."""

    def __init__(self) -> None:
        """Begin without any."""
        self.frames: list[RenderableType] = []
        self._due = 0.0

    def announce(self, page: str, *, problem: str | None) -> None:
        """Leave it out: its port is another one each time."""

    def screen(self) -> AbstractContextManager[object]:
        """Return nothing to be opened."""
        return nullcontext()

    def show(self, scene: Scene) -> None:
        """Keep what a terminal would show, if it is time."""
        if scene.elapsed >= self._due:
            self.frames.append(live_table(scene, height=HEIGHT))
            self._due += EVERY

    def conclude(self, scene: Scene, problems: list[str]) -> None:
        """Keep the summary."""
        self.frames.append(summary(scene, problems))


def draw(number: int, frame: RenderableType) -> tuple[str, str]:
    """Return the styles and the drawing of a frame: the last lines of it, as they stay on a terminal."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    lines = console.render_lines(frame, pad=False)[-HEIGHT:]
    for line in [*lines, *[[]] * (HEIGHT - len(lines))]:
        console.print(Segments([*line, Segment.line()]), end="")
    parts = console.export_svg(code_format="{styles}\0{lines}{backgrounds}{matrix}", unique_id=f"f{number}")
    styles, _, drawing = parts.partition("\0")
    return styles, f'<g class="frame" id="frame{number}" transform="translate(12, 8)">{drawing}</g>'


def animate(frames: list[RenderableType]) -> str:
    """Return a picture that shows one frame after another, or the last one where motion is not wanted."""
    length = FRAME * (len(frames) - 1) + LAST
    styles, drawings = zip(*(draw(number, frame) for number, frame in enumerate(frames)), strict=True)
    ends = [FRAME * (number + 1) for number in range(len(frames) - 1)] + [length]
    motion = (
        MOTION.format(number=number, length=length, start=100 * FRAME * number / length, end=100 * end / length)
        for number, end in enumerate(ends)
    )
    size = {"width": round(WIDTH * 12.2) + 24, "height": round((HEIGHT + 1) * 24.4)}
    return PAGE.format(**size, styles="\n".join([*styles, *motion]), frames="\n".join(drawings))


def main() -> None:
    """Perform the demo at its own speed, and write the picture."""
    recording = Recording()
    asyncio.run(perform(recording, speed=900.0, seed=0))
    PICTURE.write_text(animate(recording.frames), encoding="utf-8")


if __name__ == "__main__":
    main()
