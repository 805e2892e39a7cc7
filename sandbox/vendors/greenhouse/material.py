# ruff: noqa: RUF001 - letters that are easily mistaken are what this is for
"""What generated people are made of: names and addresses that software tends to get wrong."""

from __future__ import annotations

import unicodedata

FIRST_NAMES = (
    "Zoë", "José", "Anna", "Łukasz", "Søren", "Nguyễn", "Mary-Jane", "Jean-Luc", "Sean",
    "D'Angelo", "Müjde", "Iñaki", "Çağla", "Åse", "Þóra", "Đorđe", "Ōta", "Ngozi", "O",
    "maria", "PETER", "X Æ", "Null", "True", "Ignacio María del Carmen", "Ada", "Omar", "Li",
)  # fmt: skip
LAST_NAMES = (
    "Ñandú-O'Neill", "Smith", "García Márquez", "Müller", "Nowak", "Øst", "Van der Berg",
    "de la Cruz", "McDonald", "MacLeod", "ß", "Groß", "Ibn Sina", "Null", "Test", "Jr.",
    "Kowalczyk", "Papadópoulos", "Đặng", "Ó Súilleabháin", "St. John", "Smith, Jr.", "Lee",
)  # fmt: skip
FULL_NAMES = (
    ("美咲", "佐藤"), ("伟", "王"), ("지훈", "김"), ("محمد", "الفارسي"), ("נועה", "לוי"),
    ("Дмитрий", "Шостакович"), ("Ελένη", "Παπαδοπούλου"), ("अनिल", "शर्मा"),
    ("สมชาย", "ใจดี"), ("🦄 Pixie", "Dust ✨"), ("  Anna ", " Lee  "), ("Bobby\tTables", "'; --"),
    ("<b>Bold</b>", "& Sons"), ("Ｗｉｄｅ", "Ｌｅｔｔｅｒｓ"), ("Zero\u200bWidth", "Name"),
    (unicodedata.normalize("NFD", "Renée"), unicodedata.normalize("NFD", "Ångström")),
    ("A" * 300, "B"), ("Wolfe", "schlegelstein" * 22), ("👩🏽‍🚀", "👨‍👩‍👧‍👦"),
)  # fmt: skip
HALF_NAMES = ((None, "Prince"), ("Cher", None), (None, None), ("", "Blank"), ("Sukarno", ""))
COMPANIES = (
    "Hollow Oak Ltd", "株式会社サンプル", "Müller & Söhne GmbH", "ACME, Inc.", "R&D <Labs>", "", None,
)  # fmt: skip
TITLES = ("Data Engineer", "Pflegefachkraft", "Développeuse", "エンジニア", "VP, Sales", None)
TAGS = ("Python", "python", "C++", "Führungskraft", "日本語", "silver medallist", "do-not-call", "🔥")
TIME_ZONES = ("London", "Bern", "Tokyo", "Eastern Time (US & Canada)", None)
STREETS = ("1 Mill Lane\nLeeds\nLS1 4AP", "Bahnhofstr. 3\r\n8001 Zürich", "〒100-0001 東京都千代田区1-1",
           "Flat 2/1, 10 Great Western Rd, Glasgow", "شارع الملك فهد، الرياض", "n/a")  # fmt: skip
PHONES = (
    ("+44 20 7946 {0:04d}", "mobile"),
    ("+1 (415) 555-{0:04d}", "work"),
    ("+4144668{0:04d}", "home"),
    ("020 7946 {0:04d}", "mobile"),
    ("(0)44 668 {0:04d} ext. 12", "work"),
    ("00 49 30 9018{0:04d};ext=7", "other"),
    ("live:person.{0}", "skype"),
    ("call me after 6pm", "mobile"),
    ("٠٥٠١٢٣{0:04d}", "mobile"),
    ("{0:04d}", "pager"),  # a type no document names
    ("", "home"),
)
SITES = (
    ("https://www.linkedin.com/in/person-{0}", "personal"),
    ("http://portfolio.example/{0}?a=1&b=<2>", "portfolio"),
    ("person-{0}.example", "blog"),
    ("github.com/person{0}", "github"),  # a type no document names
)
SOCIALS = ("linkedin.com/in/person-{0}", "@person_{0}", "https://x.example/{0}")
ODD_MAILS = ("", "   ", "not-an-address", "two@@example.org", 'quote"d@example.org')
SHARED_MAILS = ("careers@agency.example", "Family.Smith@example.com", "info@hollow-oak.example")
PROSE = (
    "I have spent the last years building data platforms <b>end to end</b> & loved it. ",
    "Ich suche eine neue Herausforderung in einem internationalen Team. ",
    "Je suis disponible immédiatement ; déplacements possibles. ",
    "新しい環境で自分の力を試したいと考えています。",
    '"Quotes", back\\slashes,\ttabs\nand new lines. ',
    "𝕌nicode beyond the basic plane: 🧪🚀. ",
)  # fmt: skip
QUESTIONS = (
    "Visa needed?", "How did you hear about this job?", "Warum möchten Sie zu uns?",
    "LinkedIn Profile", "When could you start?",
)  # fmt: skip
ANSWERS = ("No", "Yes", None, "From a friend", "日本語もできます", "--")
EMPLOYERS = ("Initech", "Globex", "Deutsche Bahn AG", "トヨタ", None)
