//! Dates and times; the project is in Berlin and weeks begin on Sunday.

use expect_test::expect;

use super::check;

#[test]
fn dates() {
    check(
        r"
        now()
        today()
        yesterday()
        timezone()
        toDate('2020-01-10 23:30:00')
        toDateTime('2020-01-10 23:30:00')
        toDateTime('2020-01-10T23:30:00Z')
        toDateTime('nonsense')
        toDate(toDateTime('2020-01-10T23:30:00Z'))
        toDate(toTimeZone(toDateTime('2020-01-10T23:30:00Z'), 'UTC'))
        toYear(now())
        toMonth(now())
        toHour(now())
        toHour(toTimeZone(now(), 'America/New_York'))
        toDayOfWeek(toDate('2020-01-12'))
        toDayOfYear(toDate('2020-02-01'))
        toISOWeek(toDate('2020-12-31'))
        toWeek(toDate('2020-01-10'))
        toYearWeek(toDate('2020-01-01'))
        toUnixTimestamp(toDateTime('2020-01-10T00:00:00Z'))
        fromUnixTimestamp(0)
        toStartOfYear(now())
        toStartOfQuarter(now())
        toStartOfMonth(now())
        toStartOfWeek(now())
        toStartOfWeek(now(), 1)
        toMonday(now())
        toLastDayOfMonth(now())
        toStartOfDay(now())
        toStartOfHour(now())
        toStartOfFifteenMinutes(now())
        toStartOfMinute(now())
        toStartOfInterval(now(), toIntervalMinute(20))
        toStartOfInterval(now(), toIntervalWeek(1))
        dateTrunc('month', now())
        dateTrunc('hour', now())
        dateDiff('day', toDateTime('2020-01-09 23:00:00'), toDateTime('2020-01-10 01:00:00'))
        dateDiff('hour', toDateTime('2020-01-09 23:59:00'), toDateTime('2020-01-10 01:00:00'))
        dateDiff('week', toDate('2020-01-05'), toDate('2020-01-06'))
        dateDiff('month', toDate('2020-01-31'), toDate('2020-02-01'))
        age('month', toDate('2020-01-31'), toDate('2020-02-01'))
        addDays(toDate('2020-02-28'), 2)
        addMonths(toDate('2020-01-31'), 1)
        subtractHours(now(), 2)
        dateAdd('day', 3, toDate('2020-01-10'))
        dateSub('hour', 1, now())
        now() - toIntervalDay(1)
        toIntervalWeek(2) + toDate('2020-01-01')
        toDate('2020-01-10') - toDate('2020-01-01')
        toDate('2020-01-10') + 1
        formatDateTime(now(), '%Y-%m-%d %H:%i:%S')
        formatDateTime(now(), '%a %b %e %j %M %W %y %F %T %Q', 'UTC')
        toYYYYMM(now())
        toYYYYMMDDhhmmss(now())
        monthName(now())
        dateName('weekday', now())
        date_part('hour', now())
        to_char(now(), 'YYYY-MM-DD HH24:MI')
        parseDateTime('2020-01-02 03:04:05', '%Y-%m-%d %H:%i:%s')
        make_date(2020, 2, 3)
        toModifiedJulianDay(toDate('2020-01-01'))
        timeZoneOffset(now())
        timeSlot(now())
        toDateTime(now())
        timezone('America/New_York', now())
        toHour(timezone('America/New_York', now()))
        now() + make_interval(0, 1, 1, 0, 0, 0)
        to_char(now(), '%Y')
        tumble(now(), toIntervalDay('1'))
        tumbleEnd(now(), toIntervalHour(1))
        hop(now(), toIntervalDay('1'), toIntervalDay('2'))
        ",
        expect![[r#"
            now() => "2020-01-10 11:30:15.500000"
            today() => "2020-01-10"
            yesterday() => "2020-01-09"
            timezone() => "Europe/Berlin"
            toDate('2020-01-10 23:30:00') => "2020-01-10"
            toDateTime('2020-01-10 23:30:00') => "2020-01-10 22:30:00.000000"
            toDateTime('2020-01-10T23:30:00Z') => "2020-01-10 23:30:00.000000"
            toDateTime('nonsense') => null
            toDate(toDateTime('2020-01-10T23:30:00Z')) => "2020-01-11"
            toDate(toTimeZone(toDateTime('2020-01-10T23:30:00Z'), 'UTC')) => "2020-01-10"
            toYear(now()) => 2020
            toMonth(now()) => 1
            toHour(now()) => 12
            toHour(toTimeZone(now(), 'America/New_York')) => 6
            toDayOfWeek(toDate('2020-01-12')) => 7
            toDayOfYear(toDate('2020-02-01')) => 32
            toISOWeek(toDate('2020-12-31')) => 53
            toWeek(toDate('2020-01-10')) => 1
            toYearWeek(toDate('2020-01-01')) => 201952
            toUnixTimestamp(toDateTime('2020-01-10T00:00:00Z')) => 1578614400
            fromUnixTimestamp(0) => "1970-01-01 00:00:00"
            toStartOfYear(now()) => "2020-01-01"
            toStartOfQuarter(now()) => "2020-01-01"
            toStartOfMonth(now()) => "2020-01-01"
            toStartOfWeek(now()) => "2020-01-05"
            toStartOfWeek(now(), 1) => "2020-01-06"
            toMonday(now()) => "2020-01-06"
            toLastDayOfMonth(now()) => "2020-01-31"
            toStartOfDay(now()) => "2020-01-09 23:00:00"
            toStartOfHour(now()) => "2020-01-10 11:00:00"
            toStartOfFifteenMinutes(now()) => "2020-01-10 11:30:00"
            toStartOfMinute(now()) => "2020-01-10 11:30:00"
            toStartOfInterval(now(), toIntervalMinute(20)) => "2020-01-10 11:20:00"
            toStartOfInterval(now(), toIntervalWeek(1)) => "2020-01-06"
            dateTrunc('month', now()) => "2020-01-01"
            dateTrunc('hour', now()) => "2020-01-10 11:00:00"
            dateDiff('day', toDateTime('2020-01-09 23:00:00'), toDateTime('2020-01-10 01:00:00')) => 1
            dateDiff('hour', toDateTime('2020-01-09 23:59:00'), toDateTime('2020-01-10 01:00:00')) => 2
            dateDiff('week', toDate('2020-01-05'), toDate('2020-01-06')) => 1
            dateDiff('month', toDate('2020-01-31'), toDate('2020-02-01')) => 1
            age('month', toDate('2020-01-31'), toDate('2020-02-01')) => 0
            addDays(toDate('2020-02-28'), 2) => "2020-03-01"
            addMonths(toDate('2020-01-31'), 1) => "2020-02-29"
            subtractHours(now(), 2) => "2020-01-10 09:30:15.500000"
            dateAdd('day', 3, toDate('2020-01-10')) => "2020-01-13"
            dateSub('hour', 1, now()) => "2020-01-10 10:30:15.500000"
            now() - toIntervalDay(1) => "2020-01-09 11:30:15.500000"
            toIntervalWeek(2) + toDate('2020-01-01') => "2020-01-15"
            toDate('2020-01-10') - toDate('2020-01-01') => 9
            toDate('2020-01-10') + 1 => "2020-01-11"
            formatDateTime(now(), '%Y-%m-%d %H:%i:%S') => "2020-01-10 12:30:15"
            formatDateTime(now(), '%a %b %e %j %M %W %y %F %T %Q', 'UTC') => "Fri Jan 10 010 January Friday 20 2020-01-10 11:30:15 1"
            toYYYYMM(now()) => 202001
            toYYYYMMDDhhmmss(now()) => 20200110123015
            monthName(now()) => "January"
            dateName('weekday', now()) => "Friday"
            date_part('hour', now()) => 12
            to_char(now(), 'YYYY-MM-DD HH24:MI') => "2020-01-10 12:30"
            parseDateTime('2020-01-02 03:04:05', '%Y-%m-%d %H:%i:%s') => "2020-01-02 02:04:05"
            make_date(2020, 2, 3) => "2020-02-03"
            toModifiedJulianDay(toDate('2020-01-01')) => 58849
            timeZoneOffset(now()) => 3600
            timeSlot(now()) => "2020-01-10 11:30:00"
            toDateTime(now()) => "2020-01-10 11:30:15"
            timezone('America/New_York', now()) => "2020-01-10 11:30:15.500000"
            toHour(timezone('America/New_York', now())) => 6
            now() + make_interval(0, 1, 1, 0, 0, 0) => "2020-02-11 11:30:15.500000"
            to_char(now(), '%Y') => "2020"
            tumble(now(), toIntervalDay('1')) => ["2020-01-09 23:00:00","2020-01-10 23:00:00"]
            tumbleEnd(now(), toIntervalHour(1)) => "2020-01-10 12:00:00"
            hop(now(), toIntervalDay('1'), toIntervalDay('2')) => ["2020-01-08 23:00:00","2020-01-10 23:00:00"]
        "#]],
    );
}
