"""What a user does on the page of ``heygem serve``, and what it says, for its tests."""

from page_server import wait_for

SHOWN = {"audio": "#audio audio, #audio #waveform", "face": "#face .file-preview"}
"""What a component has once its file is there."""


def choose(page, **files):
    """Choose the files of components, and wait until they are there."""
    for part, path in files.items():
        page.locator(f"#{part} input[type=file]").set_input_files(path)
    for part in files:
        page.locator(SHOWN[part]).first.wait_for(state="attached")


def open_options(page):
    """Open the fold of options; a moment later its fields show their defaults again, whatever was typed meanwhile."""
    page.locator("#options button").first.click()
    field = page.locator("#option-duration input, #option-duration textarea")

    def keeps_text():
        field.fill("1")
        page.wait_for_timeout(200)
        return field.input_value() == "1"

    wait_for(keeps_text)
    field.fill("")


def wait_until_filled(page):
    """Wait until a page that was loaded has what the server fills in; before it asks for that, clicks are lost."""
    page.locator("#history h2, #job-status p").wait_for()


def start(page):
    """Start a job, and return its id from the address of its page."""
    page.locator("#start").click()
    page.wait_for_url("**/job?id=*")
    return page.url.rpartition("=")[2]


def says(page, part, text):
    """Wait until a part of the page has a text."""
    page.locator(f"#{part}", has_text=text).wait_for()
