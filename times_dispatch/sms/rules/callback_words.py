"""The words around digits that decide whether the digits are a phone number, as data.

The words are from public templates and messages of Indian banks, shops and authorities, read in November 2026.
"""

import re
from collections.abc import Iterable
from typing import Final


def any_of(words: Iterable[str]) -> str:
    """Return a regular expression for any of some words, which prefers the longest match."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CALL_WORDS: Final = (
    *("toll free", "टोल फ्री", "clinic no", "clinic nos", "block card", "hotlist card"),
    *_words(
        "call calling dial phone ph tel telephone mob mobile cell contact contactno helpline hotline tollfree "
        "toll-free whatsapp landline care support helpdesk reach ring missedcall resi enquiry enquiries queries fax "
        "desk reception rsvp कॉल काल फोन फ़ोन मोबाइल मोबाईल संपर्क सम्पर्क हेल्पलाइन डायल टेलीफोन दूरभाष "
        "दूरध्वनी भ्रमणध्वनी தொடர்பு தொடர்புக்கு கைபேசி அலைபேசி సంప్రదించండి మొబైల్ ಸಂಪರ್ಕ ಸಂಪರ್ಕಿಸಿ ದೂರವಾಣಿ ಮೊಬೈಲ್ "
        "ബന്ധപ്പെടുക മൊബൈൽ যোগাযোগ মোবাইল સંપર્ક મોબાઇલ ਸੰਪਰਕ ਮੋਬਾਈਲ ଯୋଗାଯୋଗ ମୋବାଇଲ "
        "அழைக்க தொலைபேசி ఫోన్ కాల్ ಕರೆ ഫോൺ കോൾ ফোন কল ફોન કૉલ ਫੋਨ"
    ),
)
"""The words after which a number is a number to call. A number may be glued to them: ``Call1800…``, ``Ph-022…``."""

LINK_WORDS: Final = _words(
    "us on at no nos number numbers num our me is or and the toll free for any more details info queries query help "
    "assistance center centre customer service desk team immediately now directly please pls via through "
    "to your local o r "
    "office branch hr hrs 24x7 booking bookings appointment appointments reservation reservations complaint "
    "complaints "
    "grievance grievances feedback admission admissions refill नंबर नम्बर क्रमांक क्र सं संख्या पर करें करे हमें "
    "எண் எண்ணை நம்பர் నంబర్ నెంబర్ సంఖ్య ಸಂಖ್ಯೆ ನಂಬರ್ നമ്പർ নম্বর নং નંબર નં ਨੰਬਰ ନମ୍ବର"
)
"""The words that may stand between a call word and the number: ``call us at 26543210``."""

BETWEEN: Final = rf"(?:[\W_]{{0,3}}(?:{any_of(LINK_WORDS)}))"
"""A regular expression for one of ``LINK_WORDS`` and the signs before the word."""

GLUE_WORDS: Final = _words("no nos number on at us free num to or query")
"""Further words to which a number may be glued: ``No.1800…``, ``at9876543210``."""

FOLLOWING_WORDS: Final = _words(
    "for or and to between from in at today now pls please toll ext only before by is if call sms"
)
"""The words that may be glued to the end of a number: ``9876543210for``. With other letters, the digits are an id."""

ID_WORDS: Final = (
    "service request",
    "job sheet",
    "customer id",
    *("k no", "k.no"),
    "mr no",
    *("lab no", "lab id"),
    "return",
    "pass",
    *("draw no", "draw number", "matric no", "matric number"),
    *_words(
        "ref reference refno order orderid ac a/c acct account acc txn transaction utr rrn upi awb policy "
        "folio consumer invoice inv bill receipt pnr lan loan crn cif ticket complaint docket application app appl "
        "registration reg regn "
        "enrolment enrollment roll booking challan imps neft rtgs card id aadhaar aadhar pan uan gstin "
        "tracking shipment "
        "consignment lr otp code pin sr srn token ca kno bp rr request req cust custid ucc dp demat mandate umrn nach "
        "fastag serial sl srno batch lot imei sku ack acknowledgement acknowledgment arn case incident rtn ppo "
        "licence license permit quote quotation proposal claim cheque chq dd fd rd subscriber connection conn "
        "lpg user userid vc stb smartcard seat file document doc job po grn ewb tan tin membership member "
        "coupon voucher grievance fir petition appeal meter mrn uhid vid trip parcel waybill deposit ending "
        "weighment weighbridge gatepass s/n model amount amt "
        "letter instruction username beneficiary trxn visa passport dl rc prescription "
        "patient sample barcode item loyalty khata khasra diary abha "
        "sanction subscription conf confirmation rx slip va passcode password pwd agreement build version sip mid "
        "marks score scores pledge certificate serials meeting zoom webex conference "
        "debit ipd opd rcpt mutation sankhya sankya rasid pavti avedan aavedan arj raseed grahak upbhokta "
        "vinnappa vinnappam darakhastu "
        "irn prn urn eid pid rid loi tag memo payslip shikayat khate khaate khaata kramank "
        "संख्या எண் సంఖ్య ಸಂಖ್ಯೆ రిఫరెన్స్ "
        "मीटर कूपन ভোটার மீட்டர் మీటర్ ಮೀಟರ್ മീറ്റർ মিটার મીટર ਮੀਟਰ "
        "அப்ளிகேஷன் అప్లికేషన్ ಅಪ್ಲಿಕೇಶನ್ അപ്ലിക്കേഷൻ অ্যাপ্লিকেশন એપ્લિકેશન ਐਪਲੀਕੇਸ਼ਨ "
        "अकाउंट कस्टमर एप्लिकेशन પાવતી અકાઉન્ટ કસ્ટમર રસીદ అకౌంట్ కస్టమర్ ಅಕೌಂಟ್ ಕಸ್ಟಮರ್ ரசீது கஸ்டமர் കസ്റ്റമർ "
        "কাস্টমার রসিদ ਕਸਟਮਰ ਰਸੀਦ "
        "रजिस्ट्रेशन नामांकन பதிவு பாலிசி நுகர்வோர் குறிப்பு அட்டை రిజిస్ట్రేషన్ నమోదు పాలసీ వినియోగదారు రిఫ్ సర్వీస్ "
        "ನೋಂದಣಿ ಪಾಲಿಸಿ ಗ್ರಾಹಕ രജിസ്ട്രേഷൻ പോളിസി রেজিস্ট্রেশন পলিসি গ্রাহক রেফ কার্ড "
        "નોંધણી રજીસ્ટ્રેશન પોલિસી ગ્રાહક ਰਜਿਸਟ੍ਰੇਸ਼ਨ ਪਾਲਿਸੀ ପଞ୍ଜୀକରଣ ପଲିସି "
        "ऑर्डर आर्डर खाता खाते आवेदन अर्ज ग्राहक उपभोक्ता संदर्भ सन्दर्भ लेनदेन बिल पॉलिसी लोन ऋण शिकायत टिकट "
        "रसीद पावती "
        "चालान पंजीकरण पंजीयन अनुक्रमांक क्रमांक बुकिंग टोकन आईडी आयडी पीएनआर यूटीआर ओटीपी कार्ड फोलियो आधार "
        "चेक इनवॉइस "
        "रोल अर्जी ટોકન અરજી રોલ ಅರ್ಜಿ ಟೋಕನ್ దరఖాస్తు టోకెన్ விண்ணப்ப விண்ணப்பம் டோக்கன் അപേക്ഷ আবেদন ਅਰਜ਼ੀ ଆବେଦନ "
        "ஆர்டர் கணக்கு பில் டிக்கெட் புகார் ఆర్డర్ ఖాతా బిల్లు టికెట్ ఫిర్యాదు ಆರ್ಡರ್ ಖಾತೆ ಬಿಲ್ ಟಿಕೆಟ್ ದೂರು "
        "ഓർഡർ അക്കൗണ്ട് ബിൽ ടിക്കറ്റ് പരാതി অর্ডার অ্যাকাউন্ট বিল টিকিট অভিযোগ ઓર્ડર ખાતા ખાતું બિલ ટિકિટ ફરિયાદ "
        "ਆਰਡਰ ਖਾਤਾ ਬਿੱਲ ਟਿਕਟ ਸ਼ਿਕਾਇਤ ଅର୍ଡର ଖାତା ବିଲ୍ ଟିକେଟ୍"
    ),
)
"""The words after which digits are no phone number: ``Ref no. 9876543210``, ``UTR 912345678901``."""

BOOKING_WORDS: Final = _words(
    "booking registration complaint grievance reservation admission बुकिंग शिकायत पंजीकरण புகார் ఫిర్యాదు ದೂರು പരാതി "
    "অভিযোগ ફરિયાદ ਸ਼ਿਕਾਇਤ"
)
"""The words for an id that are also reasons to call: ``Booking: 98450 12345``, in the groups of a mobile."""

ID_NUMBER_WORDS: Final = _words(
    "no nos number num id en नंबर नम्बर नं संख्या सं क्र क्रमांक எண் நம்பர் "
    "నంబర్ నెంబర్ నం నెం సంఖ్య ಸಂಖ್ಯೆ ನಂಬರ್ ನಂ നമ്പർ നം নম্বর নং નંબર નં ਨੰਬਰ ନମ୍ବର"
)
"""Words that may stand between a word for an id and the id: ``Order no. 9876543210``."""

PEOPLE_WORDS: Final = _words(
    "driver conductor pilot rider agent executive exec manager officer incharge person staff operator owner partner "
    "dealer distributor advisor adviser counsellor coordinator organiser organizer host guide caretaker warden "
    "principal "
    "teacher tutor trainer coach doctor dr nurse technician engineer mechanic electrician plumber carpenter painter "
    "lineman surveyor inspector constable guard watchman postman courier boy man lady secretary treasurer president "
    "chairman consultant expert specialist representative recruiter accountant father mother parent parents guardian "
    "husband wife relative friend neighbour mr mrs ms smt shri sri ji sir madam bhai bhaiya "
    "श्री श्रीमती जी ड्राइवर चालक एजेंट मैनेजर प्रबंधक डॉक्टर अधिकारी शिक्षक"
)
"""The people whose number may follow: ``Driver Raju no. 9876543210``."""

NUMBER_OWNERS: Final = (
    frozenset(
        _words(
            # parts of a company and places
            "hr hd rm bm gm agm dm sa ao md ceo pro cso hod sp sales admin marketing accounts team agency "
            "security office "
            "branch store shop showroom outlet clinic hospital pharmacy school college hostel hotel resort restaurant "
            "workshop garage station depot kiosk home residence bank room emergency ambulance police fire "
            "sos कार्यालय ऑफिस दुकान शाखा केंद्र केन्द्र रूम सेवा सहायता "
            # ways to call or to pay
            "m mo mbl mobil res t p c o r wa wtsp whats app sms text missed voice video chat telegram paytm "
            "gpay phonepe bhim payment ivr ivrs pbx epabx "
            "std board line free airtel jio vi bsnl mtnl vodafone idea prepaid postpaid broadband "
            "मो फ्री फ़्री टोलफ्री व्हाट्सएप व्हाट्सऐप वाट्सएप वॉट्सऐप लैंडलाइन मिस्ड "
            # words before the word number
            "my our your alt any anytime customercare his her their new old this that same another other "
            "alternate alternative additional registered "
            "regd linked given below above following official personal direct dedicated local ka ke ki mera "
            "mere hamara "
            "hamare hamari apna apne apni naya naye is iss isi us usi from by with of in save share update verify use "
            "enter का के की इस इसी उस या हमारा हमारे मेरा मेरे अपना अपने आपका आपके नया नए नये गए निम्न पंजीकृत "
            "रजिस्टर्ड"
        )
    )
    .union(map(str.lower, (*PEOPLE_WORDS, *CALL_WORDS, *LINK_WORDS, *GLUE_WORDS)))
    .difference(_words("admission reservation appointment customer refill service center centre"))
)
"""The words before ``no.`` and ``number`` after which ten digits may be a mobile: ``Office no. 9876543210``.

After other words, ten digits without groups are an id: ``Tender no. 9876543210``.
"""

AMOUNT_WORDS: Final = ("up to", *_words("population calories jackpot upto worth than turnover revenue profit income"))
"""The words after which digits without a word to call are a quantity: ``upto 1800 1900``."""

SHORT_AMOUNT_WORDS: Final = _words(
    "below above under over between earn earned won win redeem balance bal total limit outstanding cr dr"
)
"""The words after which fewer than ten digits are a quantity, and ten or more digits only if the word begins its
phrase: ``Balance 98…`` is a quantity, but ``Check balance 98…`` and ``Contact Dr 98…`` are numbers."""

UNIT_WORDS: Final = (
    *("sq ft", "sq. ft", "sq.ft", "sq yd", "sq m", "sq.m"),
    *_words(
        "points point pts rupees inr coins coin units unit kwh km kms steps views votes shares miles mb gb kb "
        "kg gm ml litres credits rewards tokens runs likes followers users customers people members seats "
        "crore crores lakh lakhs paise paisa sqft sqyd acres calories kcal अंक रुपये पॉइंट"
    ),
)
"""The words before which digits without a word to call are a quantity: ``98765 43210 points``."""

SHORT_CODE_WORDS: Final = (
    *(
        "report at",
        "report on",
        "elder line",
        "toll free",
        *("टोल फ्री", "टोल फ़्री", "டோல் ஃப்ரீ", "టోల్ ఫ్రీ", "ಟೋಲ್ ಫ್ರೀ", "ടോൾ ഫ്രീ"),
        "customer care",
        "help desk",
        "helpdesk",
        "complaint centre",
        "complaint center",
        "complaint cell",
    ),
    *_words(
        "call dial helpline hotline tollfree toll-free phone contact ring enq enquiry कॉल काल डायल हेल्पलाइन फोन फ़ोन"
    ),
    *_words("హెల్ప్‌లైన్ ಸಹಾಯವಾಣಿ ഹെൽപ്പ്‌ലൈൻ হেল্পলাইন હેલ્પલાઇન ਹੈਲਪਲਾਈਨ ಕರೆ కాల్ കോൾ ফোন કૉલ ਫੋਨ"),
)
"""The words after which even three to six digits are a number to call: ``Call 1930``, ``dial 112``."""

HELPLINES: Final = {
    "tele-manas": ("14416",),
    "emergency": ("1912", "112", "108", "1906", "102", "1077", "1070", "1066"),
    "nhai": ("1033",),
    "police": ("100", "112"),
    "traffic police": ("103", "1073", "1095"),
    "ambulance": ("102", "108", "112"),
    "health": ("104",),
    "fire": ("101", "112"),
    "fire brigade": ("101", "112"),
    "women": ("181", "1090", "1091"),
    "child": ("1098",),
    "childline": ("1098",),
    "senior citizen": ("14567",),
    "senior citizens": ("14567",),
    "cyber crime": ("1930",),
    "cybercrime": ("1930",),
    "cyber fraud": ("1930",),
    "gas leak": ("1906",),
    "gas leakage": ("1906",),
    "railway enquiry": ("139",),
    "reservation enquiry": ("139",),
    "elderline": ("14567",),
    "help": ("112", "121", "139", "198", "199", "14646"),
    "care": ("121", "198", "199"),
    "disaster": ("1077", "1070", "1078"),
    "flood": ("1077", "1070"),
    "complaints": ("198",),
}
"""Helplines of India, which are numbers to call even after only their word: ``Police: 100``, ``CHILD - 1098``."""

KNOWN_HELPLINES: Final = (
    *dict.fromkeys(code for codes in HELPLINES.values() for code in codes),
    *("105", "131", "138", "155214", "155260", "155261", "1033", "1064", "1551", "182", "1907"),
    *("1909", "1910", "1911", "1912", "1915", "1916", "1917", "1920", "1921", "1947", "1950", "1962", "1967"),
    *("14404", "14408", "14411", "14416", "14419", "14420", "14433", "14434", "14445", "14448", "14555", "14599"),
)
"""Helplines of India, which count beside another number: ``call 9876543210 or 1912``."""

_SERVICE_WORDS: Final = (
    *("control room", "safety cell", "crime cell", "complaint cell", "customer care", "grievance cell"),
    *_words("grievances outages faults leak leaks leakages"),
    *_words("सहायता शिकायत तक्रार உதவி புகார் సహాయం ఫిర్యాదు ಸಹಾಯ ದೂರು സഹായം പരാതി সাহায্য অভিযোগ સહાય ફરિયાદ ਸਹਾਇਤਾ ਸ਼ਿਕਾਇਤ"),
)
_HELPLINES_OF_NO_AMOUNT: Final = tuple(code for code in KNOWN_HELPLINES if len(code) > 3)
HELPLINES_OF_WORDS: Final = {
    word: tuple(dict.fromkeys((*HELPLINES.get(word, ()), *_HELPLINES_OF_NO_AMOUNT)))
    for word in (*HELPLINES, *_SERVICE_WORDS)
}
"""The helplines that count after the word for a service: ``Complaints: 1912``, ``Control room 1077``."""

CALL_AFTER_NUMBER: Final = (
    *("पर", "वर", "ಗೆ", "ಕ್ಕೆ", "కు", "కి", "எண்ணில்", "எண்ணை", "என்ற எண்ணில்", "എന്ന നമ്പറിൽ", "നമ്പറിൽ"),
    *("নম্বরে", "নাম্বারে", "પર", "ਤੇ", "'ਤੇ", "ରେ", "ନମ୍ବରରେ"),
)
"""The words of Indian scripts between a number and a word to call after it: ``1909 पर कॉल करें``."""

VERBS_AFTER_NUMBER: Final = _words(
    "कॉल काल संपर्क सम्पर्क डायल फोन फ़ोन ಕರೆ ಸಂಪರ್ಕಿಸಿ కాల్ ఫోన్ సంప్రదించండి அழைக்க தொடர்பு "
    "വിളിക്ക ബന്ധപ്പെടുക ফোন কল যোগাযোগ કૉલ કોલ ફોન સંપર્ક ਕਾਲ ਫੋਨ ਸੰਪਰਕ କଲ ଫୋନ"
)
"""The words to call that follow a number and one of ``CALL_AFTER_NUMBER``."""

CALL_IMPERATIVES: Final = ("ಕರೆ ಮಾಡಿ", *_words("ಸಂಪರ್ಕಿಸಿ సంప్రదించండి அழைக்க அழையுங்கள் വിളിക്കുക വിളിക്കൂ"))
"""The words to call that may follow a number immediately, because they are no nouns."""

AFTER_HELPLINES: Final = ("control room", *_words("station service services helpline no nos number at on dial"))
"""The words that may stand between the word of a helpline and its number: ``Police No. 100``, ``Fire Station 101``."""

SHORT_CODE_UNITS: Final = _words(
    "am pm min mins minute minutes sec secs second seconds hr hrs hour hours day days times time km kms "
    "rs rupees paise crore lakh percent x per people customers users members years year month weeks calls only "
    "tickets staff seats cases posts jobs ce pe"
)
"""The words before which a few digits after a word to call are a quantity: ``call 100 minutes``."""

CURRENCY_WORDS: Final = _words("rs inr usd re rupees ₹ $ € रु रू रुपये")
"""The words after which digits are an amount."""

CONTEXT: Final = 48
"""The number of characters before a number in which the words are searched."""
AFTER_CALL_WORD: Final = re.compile(
    rf"(?:^|[^A-Za-z])(?:{any_of(CALL_WORDS)})s?{BETWEEN}{{0,5}}[\W_]{{0,4}}\Z", re.IGNORECASE
)
AFTER_CALL_WORD_AND_NAME: Final = re.compile(
    r"(?:^|[^A-Za-z])(?i:call|calling|dial|phone|ph|tel|telephone|mob|contact|ring|rsvp|whatsapp)[ :.-]{1,3}"
    r"(?:[A-Z][A-Za-z]*[. ]{1,2}){1,4}(?:family )?[:(-]?[ ]?\Z"
)
"""A word to call and a name: ``RSVP Sharma family 2436 1234``."""
AFTER_ID_WORD: Final = re.compile(
    rf"(?:^|[^A-Za-z])(?:{any_of(ID_WORDS)})(?:[ .:#-]{{0,2}}(?:{any_of(ID_NUMBER_WORDS)}))?[\s.:#-]{{0,3}}(?:is )?\Z",
    re.IGNORECASE,
)
AFTER_BOOKING_WORD: Final = re.compile(rf"(?:^|[^A-Za-z])(?:{any_of(BOOKING_WORDS)})[\s.:-]{{1,3}}\Z", re.IGNORECASE)
_AFTER_NAMED_NUMBER = re.compile(
    r"(?<![A-Za-z\u0900-\u0963])([A-Za-z\u0900-\u0963]{1,30})(?:['’]s)?[ .]{1,2}"
    r"(?:no|nos|num|number|नंबर|नम्बर|नं|संख्या|क्रमांक)[\s.:#-]{0,4}(?:(?:is|hai|है) )?\Z",
    re.IGNORECASE,
)
_CALL_OR_PEOPLE_WORD = re.compile(
    rf"(?:^|[^A-Za-z\u0900-\u0963])(?:{any_of((*CALL_WORDS, *PEOPLE_WORDS))})(?![a-z\u0900-\u0963])", re.IGNORECASE
)
AFTER_AMOUNT_WORD: Final = re.compile(
    r"(?:^|[^A-Za-z]|(?P<phrase>[^\W\d_] ))"
    rf"(?:{any_of(AMOUNT_WORDS)}|(?P<short>{any_of(SHORT_AMOUNT_WORDS)})) {{0,2}}\Z",
    re.IGNORECASE,
)
"""The group ``short`` has a word of ``SHORT_AMOUNT_WORDS``, and ``phrase`` the last letter of the word before."""
MIN_DIGITS_OF_NO_AMOUNT: Final = 10
AFTER_CURRENCY: Final = re.compile(rf"(?:^|[^A-Za-z])(?:{any_of(CURRENCY_WORDS)})[\s.:]{{0,3}}\Z", re.IGNORECASE)


def line_before(text: str, position: int) -> str:
    """Return the end of the line before a position, with the line above if the position is at a line's beginning."""
    before = text[max(0, position - CONTEXT) : position]
    return before[before.rfind("\n", 0, len(before.rstrip())) + 1 :]


def is_after_call_word(text: str, position: int) -> bool:
    """Return whether a word to call is before a position."""
    return AFTER_CALL_WORD.search(line_before(text, position)) is not None


def is_after_id_word(text: str, position: int) -> bool:
    """Return whether a word for an id is before a position."""
    return AFTER_ID_WORD.search(line_before(text, position)) is not None


def named_number(before: str) -> str | None:
    """Return the end of a text if it names a number of something that has no phone: ``Tender no. ``.

    A text that names a person or has a word to call before it names no such number: ``Driver Raju no. ``.
    """
    match = _AFTER_NAMED_NUMBER.search(before)
    if match is None or match[1].lower() in NUMBER_OWNERS or _CALL_OR_PEOPLE_WORD.search(before):
        return None
    return match[0]
