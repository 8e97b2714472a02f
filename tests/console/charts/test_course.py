from console.charts.course import bucket_label, course_columns, delivery_chart, hour_label
from console.formats import Formats, NumberForm
from times_dispatch.ledger.statistics.delivery_times import DeliveryTimes, bucket_of
from times_dispatch.ledger.statistics.figures import Course

F = Formats()
HOUR = 20_000 * 24 + 15


def test_hours_without_messages_have_a_place_too() -> None:
    course = {HOUR: Course(sent=5, delivered=3, errors=1), HOUR + 2: Course(sent=1)}
    columns = course_columns(course, F, href="/x")
    assert [column.total for column in columns] == [5, 0, 1, 0, 0, 0, 0, 0]
    assert [piece.number for piece in columns[0].pieces] == [3, 2]
    assert columns[0].beside
    assert columns[0].beside.number == 1
    assert columns[1].href == f"/x?hour={HOUR + 1}"
    assert [piece.href for piece in columns[0].pieces] == [
        f"/x?state=delivered&hour={HOUR}",
        f"/x?state=accepted,failed,no_report&hour={HOUR}",
    ]
    assert columns[0].beside.href == f"/x?state=failed,rejected,given_up&hour={HOUR}"


def test_a_long_course_is_shown_by_days() -> None:
    course = {HOUR + hour: Course(sent=1) for hour in range(0, 24 * 10, 2)}
    columns = course_columns(course, F, href="/x")
    assert 10 <= len(columns) <= 11
    assert sum(column.total for column in columns) == 120
    assert columns[0].href == f"/x?day={HOUR // 24}"
    assert columns[0].pieces[0].href == f"/x?state=delivered&day={HOUR // 24}"


def test_hours_and_times_have_labels_of_the_chosen_form() -> None:
    assert hour_label(HOUR, F) == "4 Oct 2024, 3 pm"
    assert hour_label(HOUR, Formats(NumberForm.INTERNATIONAL)) == "2024-10-04 15:00"
    assert bucket_label(0, F) == "below 1.0 s"
    assert bucket_label(bucket_of(1_010), F) == "1.00 s to 1.02 s"
    assert bucket_label(bucket_of(2_100), F) == "2.0 s to 2.4 s"


def test_the_histogram_counts_each_delivery_once_and_skips_times_that_cannot_be() -> None:
    chart = delivery_chart(DeliveryTimes({0: 2, bucket_of(5_000): 3}), F, href="/x")
    assert chart.count('<title>below 1.0 s: 2 delivered</title><rect class="hit"') == 1
    assert "3 delivered" in chart
    assert "0.0 s" not in chart
    assert delivery_chart(DeliveryTimes({}), F, href="/x") == ""
