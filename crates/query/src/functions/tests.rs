//! Expressions and what they give, through a small resolver of constants.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::{ExecutionProps, SessionContext};
use datafusion::logical_expr::expr::LambdaVariable;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, col, lit};
use datafusion::physical_expr::create_physical_expr;
use expect_test::{Expect, expect};

use super::datum::{Datum, read};
use super::udf::Env;
use super::*;
use crate::hogql::ast::{self, ArithmeticOp, CompareOp, ExprKind, Literal};
use crate::hogql::parse_expr;

fn context() -> FunctionContext {
    FunctionContext {
        timezone: "Europe/Berlin".to_owned(),
        week_start: WeekStart::Sunday,
        // 2020-01-10 11:30:15.5 UTC
        now_micros: 1_578_655_815_500_000,
    }
}

/// Names in scope: columns of the tests' table and parameters of lambdas.
type Names = Vec<(String, Argument)>;

fn argument(expr: Expr, data_type: DataType) -> Argument {
    let nullable = !matches!(&expr, Expr::Literal(scalar, _) if !scalar.is_null());
    Argument { expr, data_type, nullable }
}

fn resolve(expr: &ast::Expr, names: &Names) -> Result<Argument, FunctionError> {
    let constant = |scalar: ScalarValue| {
        let data_type = scalar.data_type();
        Ok(argument(Expr::Literal(scalar, None), data_type))
    };
    let function =
        |name: &str, args: &[ast::Expr]| call(&ast::Call { name: name.to_owned(), args: args.to_vec(), ..ast::Call::default() }, names);
    match &expr.kind {
        ExprKind::Literal(Literal::Null) => constant(ScalarValue::Null),
        ExprKind::Literal(Literal::Bool(value)) => constant(ScalarValue::from(*value)),
        ExprKind::Literal(Literal::Int(value)) => constant(ScalarValue::from(*value)),
        ExprKind::Literal(Literal::UInt(value)) => constant(ScalarValue::from(*value)),
        ExprKind::Literal(Literal::Float(value)) => constant(ScalarValue::from(*value)),
        ExprKind::Literal(Literal::String(value)) => constant(ScalarValue::from(value.as_str())),
        ExprKind::Array(items) => function("array", items),
        ExprKind::Tuple(items) => function("tuple", items),
        ExprKind::Field(chain) => {
            let name = chain[0].as_name().expect("INVARIANT: tests use names");
            Ok(names.iter().rev().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1.clone())
        }
        ExprKind::Call(inner) => call(inner, names),
        ExprKind::Cast { expr, type_name, .. } => {
            let built = cast(resolve(expr, names)?, type_name, &context())?;
            Ok(Argument { expr: built.expr, data_type: built.data_type, nullable: built.nullable })
        }
        ExprKind::ArrayAccess { array, index, .. } => function("arrayElement", &[(**array).clone(), (**index).clone()]),
        ExprKind::TupleAccess { tuple, index, .. } => function("tupleElement", &[(**tuple).clone(), ast::Expr::lit(i64::from(*index))]),
        ExprKind::Arithmetic { op, left, right } => {
            let (a, b) = (resolve(left, names)?, resolve(right, names)?);
            let (operator, name) = match op {
                ArithmeticOp::Add => (Operator::Plus, "plus"),
                ArithmeticOp::Sub => (Operator::Minus, "minus"),
                ArithmeticOp::Mul => (Operator::Multiply, "multiply"),
                ArithmeticOp::Div => (Operator::Divide, "divide"),
                ArithmeticOp::Mod => (Operator::Modulo, "modulo"),
            };
            if a.data_type.is_numeric() && b.data_type.is_numeric() {
                let target =
                    if *op == ArithmeticOp::Div { DataType::Float64 } else { supertype(&[a.data_type.clone(), b.data_type.clone()])? };
                let expr = conditional::binary(conditional::as_type(&a, &target), operator, conditional::as_type(&b, &target));
                return Ok(argument(expr, target));
            }
            function(name, &[(**left).clone(), (**right).clone()])
        }
        ExprKind::Compare { op, left, right } => {
            let (a, b) = (resolve(left, names)?, resolve(right, names)?);
            let target = supertype(&[a.data_type.clone(), b.data_type.clone()])?;
            let operator = match op {
                CompareOp::Eq => Operator::Eq,
                CompareOp::NotEq => Operator::NotEq,
                CompareOp::Lt => Operator::Lt,
                CompareOp::Gt => Operator::Gt,
                CompareOp::GtEq => Operator::GtEq,
                other => panic!("{other:?} is not needed here"),
            };
            Ok(argument(
                conditional::binary(conditional::as_type(&a, &target), operator, conditional::as_type(&b, &target)),
                DataType::Boolean,
            ))
        }
        other => panic!("{other:?} is not needed here"),
    }
}

fn call(call: &ast::Call, names: &Names) -> Result<Argument, FunctionError> {
    let function = lookup(&call.name).ok_or_else(|| unknown(&call.name))?;
    let plain: Vec<Option<Argument>> = call
        .args
        .iter()
        .filter(|arg| !matches!(arg.kind, ExprKind::Asterisk(_)))
        .map(|arg| if matches!(arg.kind, ExprKind::Lambda { .. }) { Ok(None) } else { resolve(arg, names).map(Some) })
        .collect::<Result<_, _>>()?;
    let types: Vec<Option<DataType>> = plain.iter().map(|arg| arg.as_ref().map(|arg| arg.data_type.clone())).collect();
    let mut args = Vec::new();
    for (arg, resolved) in call.args.iter().zip(plain) {
        let ExprKind::Lambda { params, body } = &arg.kind else {
            args.extend(resolved);
            continue;
        };
        let param_types = function.lambda_parameters(params.len(), &types)?;
        let mut inner = names.clone();
        for (name, data_type) in params.iter().zip(param_types) {
            let field = Arc::new(Field::new(name, data_type.clone(), true));
            inner.push((name.clone(), argument(Expr::LambdaVariable(LambdaVariable::new(name.clone(), Some(field))), data_type)));
        }
        let body = resolve(body, &inner)?;
        let lambda = datafusion::logical_expr::expr::Lambda::new(params.clone(), body.expr);
        args.push(Argument { expr: Expr::Lambda(lambda), data_type: body.data_type, nullable: true });
    }
    let params = call.params.iter().flatten().map(|param| resolve(param, names).map(|param| param.scalar().cloned()));
    let options = CallOptions {
        params: params.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(),
        distinct: call.distinct,
        order_by: call
            .order_by
            .iter()
            .map(|order| Ok(resolve(&order.expr, names)?.expr.sort(!order.descending, false)))
            .collect::<Result<_, FunctionError>>()?,
        filter: call.filter.as_ref().map(|filter| resolve(filter, names).map(|filter| filter.expr)).transpose()?,
    };
    let Built { expr, data_type, nullable, .. } = function.build(args, options, &context())?;
    Ok(Argument { expr, data_type, nullable })
}

/// The rows that columns in tests are taken from.
fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(3)]))),
        ("f", Arc::new(Float64Array::from(vec![1.5, 2.5, 3.5, 4.5]))),
        ("s", Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("a"), None]))),
        ("d", Arc::new(["x", "y", "x", "x"].into_iter().collect::<DictionaryArray<Int32Type>>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .expect("INVARIANT: columns fit")
}

fn columns() -> Names {
    let schema = batch().schema();
    schema.fields().iter().map(|field| (field.name().clone(), argument(col(field.name()), field.data_type().clone()))).collect()
}

fn json(array: &ArrayRef, row: usize) -> String {
    let mut env = Env::plain();
    env.types = vec![array.data_type().clone()];
    super::json::to_json(&read(array.as_ref(), row), &env).to_string()
}

fn evaluate(text: &str) -> String {
    let tree = parse_expr(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let Argument { expr, data_type, .. } = match resolve(&tree, &Vec::new()) {
        Ok(argument) => argument,
        Err(error) => return format!("error: {error}"),
    };
    let schema = DFSchema::empty();
    assert_eq!(expr.get_type(&schema).expect("a type"), data_type, "the type of {text}");
    let physical =
        create_physical_expr(&expr, &schema, &ExecutionProps::new(), &Default::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        vec![],
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(1)),
    )
    .expect("INVARIANT: no columns fit");
    match physical.evaluate(&rows).and_then(|value| value.into_array(1)) {
        Ok(array) => json(&array, 0),
        Err(error) => format!("failed: {error}"),
    }
}

/// Each line of constants and its value.
#[track_caller]
fn check(lines: &str, expected: Expect) {
    let mut out = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        out.push_str(&format!("{line} => {}\n", evaluate(line)));
    }
    expected.assert_eq(&out);
}

/// Aggregates over the rows of [`batch`].
#[track_caller]
fn check_aggregates(lines: &str, expected: Expect) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("INVARIANT: a runtime can start");
    let mut out = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let tree = parse_expr(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let shown = match resolve(&tree, &columns()) {
            Err(error) => format!("error: {error}"),
            Ok(Argument { expr, data_type, .. }) => runtime.block_on(async {
                let frame = SessionContext::new().read_batch(batch()).expect("INVARIANT: a batch is a table");
                let result = match frame.aggregate(vec![], vec![expr.alias("result")]) {
                    Ok(frame) => frame.collect().await,
                    Err(error) => Err(error),
                };
                match result {
                    Ok(batches) => {
                        let column = batches[0].column(0);
                        assert_eq!(column.data_type(), &data_type, "the type of {line}");
                        json(column, 0)
                    }
                    Err(error) => format!("failed: {error}"),
                }
            }),
        };
        out.push_str(&format!("{line} => {shown}\n"));
    }
    expected.assert_eq(&out);
}

#[test]
fn texts() {
    check(
        r"
        length('häh')
        lengthUTF8('häh')
        empty('')
        notEmpty([])
        lower('ÄB')
        upperUTF8('äb')
        reverse('abc')
        concat('a', null, 1, 'b')
        concatWithSeparator('-', 'a', 'b')
        leftPad('7', 3, '0')
        rightPad('abc', 2)
        substring('abcdef', 2, 3)
        substring('abcdef', -2)
        substring('abc', 0)
        left('abc', 2)
        right('abc', -1)
        startsWith('abc', 'ab')
        trim('  a ')
        trimLeft('xxa', 'x')
        splitByChar(',', 'a,b,,c')
        splitByString('', 'ab')
        splitByRegexp('\\d+', 'a12b3c')
        splitByWhitespace(' a  b ')
        arrayStringConcat(['a', 'b'], '|')
        replaceAll('aXbX', 'X', '-')
        replace('aXbX', 'X', '-')
        replaceOne('aXbX', 'X', '-')
        replaceRegexpAll('Hello', '(l+)', '<\\1>')
        replaceRegexpOne('aaa', 'a', 'b')
        position('abcabc', 'c')
        positionCaseInsensitive('abC', 'c')
        match('abc', '^a.c$')
        like('abc', 'a%')
        extract('v1.2 v3', '\\d\\.\\d')
        extractAll('a1b22', '[a-z](\\d+)')
        extractAllGroupsVertical('a=1,b=2', '(\\w)=(\\d)')
        countSubstrings('aXbXc', 'X')
        countMatches('a1b2', '\\d')
        multiSearchAny('hello', ['x', 'ell'])
        multiSearchFirstIndex('hello', ['x', 'ell'])
        multiMatchAnyIndex('hello', ['^x', 'l+'])
        translate('abc', 'ab', 'xy')
        format('{} {0} {1}', 'a', 'b')
        repeat('ab', 3)
        base64Encode('hello')
        base64Decode('aGVsbG8=')
        hex('abc')
        unhex('616263')
        hex(255)
        base58Encode('hello')
        ascii('a')
        encodeXMLComponent('<a>')
        decodeXMLComponent('&lt;&#65;&gt;')
        extractTextFromHTML('<p>a <b>b</b><script>x</script></p>')
        ngramDistance('abcd', 'abcd')
        lower(null)
        cityHash64('')
        lowerUTF8(5)
        lower()
        lowr('a')
        nothingLikeIt(1)
        ",
        expect![[r#"
            length('häh') => 4
            lengthUTF8('häh') => 3
            empty('') => true
            notEmpty([]) => false
            lower('ÄB') => "Äb"
            upperUTF8('äb') => "ÄB"
            reverse('abc') => "cba"
            concat('a', null, 1, 'b') => "a1b"
            concatWithSeparator('-', 'a', 'b') => "a-b"
            leftPad('7', 3, '0') => "007"
            rightPad('abc', 2) => "ab"
            substring('abcdef', 2, 3) => "bcd"
            substring('abcdef', -2) => "ef"
            substring('abc', 0) => ""
            left('abc', 2) => "ab"
            right('abc', -1) => "bc"
            startsWith('abc', 'ab') => true
            trim('  a ') => "a"
            trimLeft('xxa', 'x') => "a"
            splitByChar(',', 'a,b,,c') => ["a","b","","c"]
            splitByString('', 'ab') => ["a","b"]
            splitByRegexp('\\d+', 'a12b3c') => ["a","b","c"]
            splitByWhitespace(' a  b ') => ["a","b"]
            arrayStringConcat(['a', 'b'], '|') => "a|b"
            replaceAll('aXbX', 'X', '-') => "a-b-"
            replace('aXbX', 'X', '-') => "a-b-"
            replaceOne('aXbX', 'X', '-') => "a-bX"
            replaceRegexpAll('Hello', '(l+)', '<\\1>') => "He<ll>o"
            replaceRegexpOne('aaa', 'a', 'b') => "baa"
            position('abcabc', 'c') => 3
            positionCaseInsensitive('abC', 'c') => 3
            match('abc', '^a.c$') => true
            like('abc', 'a%') => true
            extract('v1.2 v3', '\\d\\.\\d') => "1.2"
            extractAll('a1b22', '[a-z](\\d+)') => ["1","22"]
            extractAllGroupsVertical('a=1,b=2', '(\\w)=(\\d)') => [["a","1"],["b","2"]]
            countSubstrings('aXbXc', 'X') => 2
            countMatches('a1b2', '\\d') => 2
            multiSearchAny('hello', ['x', 'ell']) => true
            multiSearchFirstIndex('hello', ['x', 'ell']) => 2
            multiMatchAnyIndex('hello', ['^x', 'l+']) => 2
            translate('abc', 'ab', 'xy') => "xyc"
            format('{} {0} {1}', 'a', 'b') => "a a b"
            repeat('ab', 3) => "ababab"
            base64Encode('hello') => "aGVsbG8="
            base64Decode('aGVsbG8=') => "hello"
            hex('abc') => "616263"
            unhex('616263') => "abc"
            hex(255) => "FF"
            base58Encode('hello') => "Cn8eVZg"
            ascii('a') => 97
            encodeXMLComponent('<a>') => "&lt;a&gt;"
            decodeXMLComponent('&lt;&#65;&gt;') => "<A>"
            extractTextFromHTML('<p>a <b>b</b><script>x</script></p>') => "a b"
            ngramDistance('abcd', 'abcd') => 0
            lower(null) => null
            cityHash64('') => 11160318154034397263
            lowerUTF8(5) => "5"
            lower() => error: Function 'lower' expects 1 argument, found 0
            lowr('a') => error: Unsupported function call 'lowr(...)'. Perhaps you meant 'lower(...)'?
            nothingLikeIt(1) => error: Unsupported function call 'nothingLikeIt(...)'
        "#]],
    );
}

#[test]
fn conversions() {
    check(
        r"
        toInt('12')
        toInt('1.5')
        toInt(2.0)
        toInt(2.5)
        _toInt64(2.5)
        toInt('abc')
        toIntOrZero('abc')
        _toUInt8(300)
        toFloat('1.5')
        toFloat('x')
        toFloatOrDefault('x', 7)
        toBool('true')
        toString(1.0)
        toString(1e21)
        toString(0.1)
        toString(true)
        toString([1, 2])
        toString(('a', 1))
        toString(toDateTime('2020-01-10 12:00:00'))
        toString(toDate('2020-01-10'))
        toUUID('01908030-cc00-7000-8000-00000000002b')
        toUUID('x')
        UUIDv7ToDateTime('01908030-cc00-7000-8000-00000000002b')
        toTypeName(1)
        toTypeName('a')
        toTypeName([1.5])
        toTypeName(now())
        '7'::int
        cast('2020-01-01' as Date)
        cast([1, 2] as Array(String))
        cast('x' as Nonsense)
        toJSONString([1, 2.5])
        toJSONString(map('a', 1))
        toDecimal('1.239', 2)
        reinterpretAsUInt64('a')
        if(1, 'a', 'b')
        if(null, 1, 2)
        if(1, 1, 2.5)
        if(1, null, 2)
        multiIf(0, 'a', 1, 'b', 'c')
        transform(2, [1, 2], ['a', 'b'], 'x')
        transform('z', ['a'], ['b'])
        coalesce(null, null, 3)
        ifNull(null, 'x')
        nullIf('a', 'a')
        nullIf(1, 2)
        isNull(null)
        assumeNotNull(toInt('x'))
        xor(1, 0)
        ",
        expect![[r#"
            toInt('12') => 12
            toInt('1.5') => null
            toInt(2.0) => 2
            toInt(2.5) => null
            _toInt64(2.5) => 2
            toInt('abc') => null
            toIntOrZero('abc') => 0
            _toUInt8(300) => 44
            toFloat('1.5') => 1.5
            toFloat('x') => null
            toFloatOrDefault('x', 7) => 7
            toBool('true') => true
            toString(1.0) => "1"
            toString(1e21) => "1e21"
            toString(0.1) => "0.1"
            toString(true) => "true"
            toString([1, 2]) => "[1,2]"
            toString(('a', 1)) => "('a',1)"
            toString(toDateTime('2020-01-10 12:00:00')) => "2020-01-10 12:00:00.000000"
            toString(toDate('2020-01-10')) => "2020-01-10"
            toUUID('01908030-cc00-7000-8000-00000000002b') => "01908030-cc00-7000-8000-00000000002b"
            toUUID('x') => null
            UUIDv7ToDateTime('01908030-cc00-7000-8000-00000000002b') => "2024-07-05 00:00:00.000000"
            toTypeName(1) => "UInt8"
            toTypeName('a') => "String"
            toTypeName([1.5]) => "Array(Float64)"
            toTypeName(now()) => "DateTime64(6)"
            '7'::int => 7
            cast('2020-01-01' as Date) => "2020-01-01"
            cast([1, 2] as Array(String)) => ["1","2"]
            cast('x' as Nonsense) => error: unknown type 'Nonsense'
            toJSONString([1, 2.5]) => "[1,2.5]"
            toJSONString(map('a', 1)) => "{\"a\":1}"
            toDecimal('1.239', 2) => 1.23
            reinterpretAsUInt64('a') => 97
            if(1, 'a', 'b') => "a"
            if(null, 1, 2) => 2
            if(1, 1, 2.5) => 1
            if(1, null, 2) => null
            multiIf(0, 'a', 1, 'b', 'c') => "b"
            transform(2, [1, 2], ['a', 'b'], 'x') => "b"
            transform('z', ['a'], ['b']) => "z"
            coalesce(null, null, 3) => 3
            ifNull(null, 'x') => "x"
            nullIf('a', 'a') => null
            nullIf(1, 2) => 1
            isNull(null) => true
            assumeNotNull(toInt('x')) => 0
            xor(1, 0) => true
        "#]],
    );
}

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
        "#]],
    );
}

#[test]
fn numbers() {
    check(
        r"
        round(2.5)
        round(3.14159, 2)
        round(1234, -2)
        roundBankers(3.5)
        floor(-1.5)
        ceil(1.2)
        trunc(-1.7)
        abs(-3)
        abs(-1.5)
        intDiv(7, -2)
        intDivOrZero(1, 0)
        7 / 2
        7 % 3
        moduloOrZero(5, 0)
        positiveModulo(-1, 3)
        gcd(12, 18)
        lcm(4, 6)
        least(1, 2.5, null)
        greatest('a', 'b')
        pow(2, 10)
        log(100)
        log10(1000)
        sqrt(2)
        sign(-5)
        exp2(3)
        erf(0.5)
        tgamma(5)
        factorial(5)
        isNaN(nan)
        isFinite(inf)
        ifNotFinite(inf, 0)
        bitAnd(6, 3)
        bitShiftLeft(1, 4)
        bitCount(7)
        bitTest(5, 2)
        range(5)
        range(2, 10, 3)
        roundToExp2(100)
        formatReadableSize(123456789)
        formatReadableQuantity(1234567)
        formatReadableTimeDelta(3725)
        bar(3, 0, 10, 10)
        greatCircleDistance(0, 0, 1, 0)
        width_bucket(5, 0, 10, 5)
        ",
        expect![[r#"
            round(2.5) => 2
            round(3.14159, 2) => 3.14
            round(1234, -2) => 1200
            roundBankers(3.5) => 4
            floor(-1.5) => -2
            ceil(1.2) => 2
            trunc(-1.7) => -1
            abs(-3) => 3
            abs(-1.5) => 1.5
            intDiv(7, -2) => -3
            intDivOrZero(1, 0) => 0
            7 / 2 => 3.5
            7 % 3 => 1
            moduloOrZero(5, 0) => 0
            positiveModulo(-1, 3) => 2
            gcd(12, 18) => 6
            lcm(4, 6) => 12
            least(1, 2.5, null) => 1
            greatest('a', 'b') => "b"
            pow(2, 10) => 1024
            log(100) => 4.605170185988092
            log10(1000) => 3
            sqrt(2) => 1.4142135623730951
            sign(-5) => -1
            exp2(3) => 8
            erf(0.5) => 0.5204998778130465
            tgamma(5) => 24
            factorial(5) => 120
            isNaN(nan) => true
            isFinite(inf) => false
            ifNotFinite(inf, 0) => 0
            bitAnd(6, 3) => 2
            bitShiftLeft(1, 4) => 16
            bitCount(7) => 3
            bitTest(5, 2) => true
            range(5) => [0,1,2,3,4]
            range(2, 10, 3) => [2,5,8]
            roundToExp2(100) => 64
            formatReadableSize(123456789) => "117.74 MiB"
            formatReadableQuantity(1234567) => "1.23 million"
            formatReadableTimeDelta(3725) => "1 hour, 2 minutes and 5 seconds"
            bar(3, 0, 10, 10) => "███"
            greatCircleDistance(0, 0, 1, 0) => 111195.0802335329
            width_bucket(5, 0, 10, 5) => 3
        "#]],
    );
}

#[test]
fn arrays_and_maps() {
    check(
        r"
        [1, 2.5]
        ['a', null]
        [1, 2, 3][1]
        [1, 2, 3][-1]
        [1, 2, 3][9]
        ['a'][9]
        (1, 'a').2
        has([1, 2], 2)
        hasAll([1, 2], [2])
        hasAny([1, 2], [3])
        indexOf(['a', 'b'], 'b')
        arrayConcat([1], [2, 3])
        arrayPushBack([1], 2)
        arrayPushFront([1], 0)
        arrayPopBack([1, 2])
        arraySlice([1, 2, 3, 4], 2, 2)
        arraySlice([1, 2, 3], -2)
        arrayResize([1], 3)
        arrayReverse([1, 2])
        arrayDistinct([1, 1, 2])
        arrayUniq([1, 1, 2])
        arrayCompact([1, 1, 2, 1])
        arrayFlatten([[1], [2, 3]])
        arrayZip([1, 2], ['a', 'b'])
        arrayIntersect([1, 2], [2, 3])
        arrayEnumerateUniq(['a', 'b', 'a'])
        arrayMap(x -> x * 2, [1, 2, 3])
        arrayMap((x, y) -> x + y, [1, 2], [10, 20])
        arrayMap((x, y) -> concat(x, y), [('a', 'b')])
        arrayMap(x -> arrayMap(y -> x + y, [10, 20]), [1, 2])
        arrayMap(x -> 1, [5, 6])
        arrayMap(x -> x, [])
        arrayFilter(x -> x > 1, [1, 2, 3])
        arrayExists(x -> x = 2, [1, 2])
        arrayAll(x -> x > 0, [])
        arrayCount(x -> x > 1, [1, 2, 3])
        arrayCount([0, 1, 2])
        arraySum([1, 2])
        arraySum(x -> x * 1.5, [1, 2])
        arrayAvg([1, 2])
        arrayMin([3, 1])
        arrayMax(x -> -x, [3, 1])
        arrayFirst(x -> x > 1, [1, 2, 3])
        arrayFirst(x -> x > 5, [1])
        arrayLast(x -> x < 3, [1, 2, 3])
        arrayFirstIndex(x -> x = 3, [1, 2, 3])
        arraySort([3, 1, 2])
        arraySort(x -> -x, [3, 1, 2])
        arrayReverseSort([3, null, 1])
        arrayCumSum([1, 2, 3])
        arrayDifference([1, 4, 9])
        arraySplit(x -> x = 2, [1, 2, 3])
        arrayReverseSplit(x -> x = 2, [1, 2, 3])
        arrayFill(x -> x > 0, [1, 0, 2])
        arrayFold((acc, x) -> acc + x, [1, 2, 3], 10)
        arrayProduct([2, 3])
        map('a', 1, 'b', 2)
        map('a', 1)['a']
        mapKeys(map('a', 1))
        mapFilter((k, v) -> v > 1, map('a', 1, 'b', 2))
        mapApply((k, v) -> (k, v * 2), map('a', 1))
        mapAdd(map('a', 1), map('a', 2, 'b', 3))
        mapContains(map('a', 1), 'a')
        tuplePlus((1, 2), (3, 4))
        dotProduct((1, 2), (3, 4))
        arrayMap((x, y) -> x, [1])
        ",
        expect![[r#"
            [1, 2.5] => [1,2.5]
            ['a', null] => ["a",null]
            [1, 2, 3][1] => 1
            [1, 2, 3][-1] => 3
            [1, 2, 3][9] => 0
            ['a'][9] => ""
            (1, 'a').2 => "a"
            has([1, 2], 2) => true
            hasAll([1, 2], [2]) => true
            hasAny([1, 2], [3]) => false
            indexOf(['a', 'b'], 'b') => 2
            arrayConcat([1], [2, 3]) => [1,2,3]
            arrayPushBack([1], 2) => [1,2]
            arrayPushFront([1], 0) => [0,1]
            arrayPopBack([1, 2]) => [1]
            arraySlice([1, 2, 3, 4], 2, 2) => [2,3]
            arraySlice([1, 2, 3], -2) => [2,3]
            arrayResize([1], 3) => [1,0,0]
            arrayReverse([1, 2]) => [2,1]
            arrayDistinct([1, 1, 2]) => [1,2]
            arrayUniq([1, 1, 2]) => 2
            arrayCompact([1, 1, 2, 1]) => [1,2,1]
            arrayFlatten([[1], [2, 3]]) => [1,2,3]
            arrayZip([1, 2], ['a', 'b']) => [[1,"a"],[2,"b"]]
            arrayIntersect([1, 2], [2, 3]) => [2]
            arrayEnumerateUniq(['a', 'b', 'a']) => [1,1,2]
            arrayMap(x -> x * 2, [1, 2, 3]) => [2,4,6]
            arrayMap((x, y) -> x + y, [1, 2], [10, 20]) => [11,22]
            arrayMap((x, y) -> concat(x, y), [('a', 'b')]) => ["ab"]
            arrayMap(x -> arrayMap(y -> x + y, [10, 20]), [1, 2]) => [[11,21],[12,22]]
            arrayMap(x -> 1, [5, 6]) => [1,1]
            arrayMap(x -> x, []) => []
            arrayFilter(x -> x > 1, [1, 2, 3]) => [2,3]
            arrayExists(x -> x = 2, [1, 2]) => true
            arrayAll(x -> x > 0, []) => true
            arrayCount(x -> x > 1, [1, 2, 3]) => 2
            arrayCount([0, 1, 2]) => 2
            arraySum([1, 2]) => 3
            arraySum(x -> x * 1.5, [1, 2]) => 4.5
            arrayAvg([1, 2]) => 1.5
            arrayMin([3, 1]) => 1
            arrayMax(x -> -x, [3, 1]) => -1
            arrayFirst(x -> x > 1, [1, 2, 3]) => 2
            arrayFirst(x -> x > 5, [1]) => 0
            arrayLast(x -> x < 3, [1, 2, 3]) => 2
            arrayFirstIndex(x -> x = 3, [1, 2, 3]) => 3
            arraySort([3, 1, 2]) => [1,2,3]
            arraySort(x -> -x, [3, 1, 2]) => [3,2,1]
            arrayReverseSort([3, null, 1]) => [3,1,null]
            arrayCumSum([1, 2, 3]) => [1,3,6]
            arrayDifference([1, 4, 9]) => [0,3,5]
            arraySplit(x -> x = 2, [1, 2, 3]) => [[1],[2,3]]
            arrayReverseSplit(x -> x = 2, [1, 2, 3]) => [[1,2],[3]]
            arrayFill(x -> x > 0, [1, 0, 2]) => [1,1,2]
            arrayFold((acc, x) -> acc + x, [1, 2, 3], 10) => 16
            arrayProduct([2, 3]) => 6
            map('a', 1, 'b', 2) => {"a":1,"b":2}
            map('a', 1)['a'] => 1
            mapKeys(map('a', 1)) => ["a"]
            mapFilter((k, v) -> v > 1, map('a', 1, 'b', 2)) => {"b":2}
            mapApply((k, v) -> (k, v * 2), map('a', 1)) => {"a":2}
            mapAdd(map('a', 1), map('a', 2, 'b', 3)) => {"a":3,"b":3}
            mapContains(map('a', 1), 'a') => true
            tuplePlus((1, 2), (3, 4)) => [4,6]
            dotProduct((1, 2), (3, 4)) => 11
            arrayMap((x, y) -> x, [1]) => error: function 'arrayMap' expects a lambda with one parameter for each array as argument 1, found one with 2
        "#]],
    );
}

#[test]
fn json_and_urls() {
    check(
        r#"
        JSONExtractString('{"a": "x", "b": {"c": 5}}', 'a')
        JSONExtractInt('{"b": {"c": 5}}', 'b', 'c')
        JSONExtractFloat('{"a": "1.5"}', 'a')
        JSONExtractBool('{"a": true}', 'a')
        JSONExtractRaw('{"a": [1, 2]}', 'a')
        JSONExtractArrayRaw('[1, "b"]')
        JSONExtractKeys('{"a": 1, "b": 2}')
        JSONExtract('["a", "b"]', 'Array(String)')
        JSONExtract('{"a": [1, "2", null]}', 'a', 'Array(Int64)')
        JSONExtract('{"a": null}', 'a', 'Nullable(String)')
        JSONExtract('{}', 'a', 'Int64')
        JSONExtractKeysAndValues('{"a": 1}', 'Int64')
        JSONHas('{"a": 1}', 'b')
        JSONLength('[1, 2]')
        JSONType('{"a": 1.5}', 'a')
        JSONExtractString('[1, "two"]', -1)
        isValidJSON('{')
        JSON_VALUE('{"a": {"b": [1, 2]}}', '$.a.b[1]')
        protocol('https://www.example.com/a')
        domain('https://user@www.example.com:80/a?b#c')
        domainWithoutWWW('https://www.example.com/')
        domain('not a url')
        topLevelDomain('https://example.co.uk')
        cutToFirstSignificantSubdomain('https://news.example.co.uk/')
        path('https://example.com/a/b?c=d#e')
        pathFull('https://example.com/a/b?c=d#e')
        queryString('https://example.com/?c=d#e')
        fragment('https://example.com/#e')
        extractURLParameter('https://example.com/?a=1&b=2', 'b')
        extractURLParameters('https://example.com/?a=1&b=2')
        URLPathHierarchy('https://example.com/a/b?c')
        cutQueryString('https://example.com/?a#b')
        cutURLParameter('https://example.com/?a=1&b=2', 'a')
        decodeURLComponent('a%20b+c')
        encodeURLComponent('a b')
        port('http://example.com:81/')
        sortableSemVer('1.2.3.4.15bac.16')
        lookupDomainType('www.google.com')
        "#,
        expect![[r#"
            JSONExtractString('{"a": "x", "b": {"c": 5}}', 'a') => "x"
            JSONExtractInt('{"b": {"c": 5}}', 'b', 'c') => 5
            JSONExtractFloat('{"a": "1.5"}', 'a') => 1.5
            JSONExtractBool('{"a": true}', 'a') => true
            JSONExtractRaw('{"a": [1, 2]}', 'a') => "[1, 2]"
            JSONExtractArrayRaw('[1, "b"]') => ["1","\"b\""]
            JSONExtractKeys('{"a": 1, "b": 2}') => ["a","b"]
            JSONExtract('["a", "b"]', 'Array(String)') => ["a","b"]
            JSONExtract('{"a": [1, "2", null]}', 'a', 'Array(Int64)') => [1,2,0]
            JSONExtract('{"a": null}', 'a', 'Nullable(String)') => null
            JSONExtract('{}', 'a', 'Int64') => 0
            JSONExtractKeysAndValues('{"a": 1}', 'Int64') => [["a",1]]
            JSONHas('{"a": 1}', 'b') => false
            JSONLength('[1, 2]') => 2
            JSONType('{"a": 1.5}', 'a') => "Double"
            JSONExtractString('[1, "two"]', -1) => "two"
            isValidJSON('{') => false
            JSON_VALUE('{"a": {"b": [1, 2]}}', '$.a.b[1]') => "2"
            protocol('https://www.example.com/a') => "https"
            domain('https://user@www.example.com:80/a?b#c') => "www.example.com"
            domainWithoutWWW('https://www.example.com/') => "example.com"
            domain('not a url') => ""
            topLevelDomain('https://example.co.uk') => "uk"
            cutToFirstSignificantSubdomain('https://news.example.co.uk/') => "example.co.uk"
            path('https://example.com/a/b?c=d#e') => "/a/b"
            pathFull('https://example.com/a/b?c=d#e') => "/a/b?c=d#e"
            queryString('https://example.com/?c=d#e') => "c=d"
            fragment('https://example.com/#e') => "e"
            extractURLParameter('https://example.com/?a=1&b=2', 'b') => "2"
            extractURLParameters('https://example.com/?a=1&b=2') => ["a=1","b=2"]
            URLPathHierarchy('https://example.com/a/b?c') => ["/a/","/a/b?","/a/b?c"]
            cutQueryString('https://example.com/?a#b') => "https://example.com/#b"
            cutURLParameter('https://example.com/?a=1&b=2', 'a') => "https://example.com/?b=2"
            decodeURLComponent('a%20b+c') => "a b+c"
            encodeURLComponent('a b') => "a%20b"
            port('http://example.com:81/') => 81
            sortableSemVer('1.2.3.4.15bac.16') => [1,2,3,4,15]
            lookupDomainType('www.google.com') => "Search"
        "#]],
    );
}

#[test]
fn aggregates() {
    check_aggregates(
        r"
        count()
        count(n)
        count(*)
        countIf(n > 1)
        countDistinct(s)
        uniq(d)
        uniqExact(s, d)
        sum(n)
        sum(f)
        sumIf(n, n > 5)
        sumIf(1, n > 5)
        avg(n)
        avgIf(f, f > 100)
        min(s)
        max(f)
        any(s)
        anyLast(s)
        argMax(d, f)
        argMin(d, f)
        argMaxIf(d, f, f < 3)
        groupArray(n)
        groupArray(2)(f)
        groupArray(d)
        groupArrayIf(n, n > 5)
        arraySort(groupUniqArray(d))
        median(f)
        quantile(0.25)(f)
        quantiles(0, 0.5, 1)(f)
        topK(1)(d)
        stddevPop(f)
        varSamp(f)
        corr(n, f)
        sum(distinct n)
        sumArray([n, 10])
        countArray([n, n])
        sumMap(map(d, n))
        sumForEach([n, 1])
        maxArgMax(n, f)
        sumOrNull(1)
        avgOrDefault(n)
        uniqState(d)
        uniqMerge([tuple(d)])
        groupBitOr(n)
        deltaSum(n)
        string_agg(d, '-')
        every(f)
        avgWeighted(f, n)
        skewPop(f)
        groupArrayMovingSum(2)(f)
        groupConcat(d)
        lower(any(s))
        sum()
        nope(n)
        ",
        expect![[r#"
            count() => 4
            count(n) => 3
            count(*) => 4
            countIf(n > 1) => 2
            countDistinct(s) => 2
            uniq(d) => 2
            uniqExact(s, d) => 2
            sum(n) => 6
            sum(f) => 12
            sumIf(n, n > 5) => null
            sumIf(1, n > 5) => 0
            avg(n) => 2
            avgIf(f, f > 100) => null
            min(s) => "a"
            max(f) => 4.5
            any(s) => "a"
            anyLast(s) => "a"
            argMax(d, f) => "x"
            argMin(d, f) => "x"
            argMaxIf(d, f, f < 3) => "y"
            groupArray(n) => [1,2,3]
            groupArray(2)(f) => [1.5,2.5]
            groupArray(d) => ["x","y","x","x"]
            groupArrayIf(n, n > 5) => []
            arraySort(groupUniqArray(d)) => ["x","y"]
            median(f) => 3
            quantile(0.25)(f) => 2.25
            quantiles(0, 0.5, 1)(f) => [1.5,3,4.5]
            topK(1)(d) => ["x"]
            stddevPop(f) => 1.118033988749895
            varSamp(f) => 1.6666666666666667
            corr(n, f) => 0.9819805060619657
            sum(distinct n) => 6
            sumArray([n, 10]) => 46
            countArray([n, n]) => 6
            sumMap(map(d, n)) => {"x":4,"y":2}
            sumForEach([n, 1]) => [6,4]
            maxArgMax(n, f) => 3
            sumOrNull(1) => 4
            avgOrDefault(n) => 2
            uniqState(d) => [["x"],["y"],["x"],["x"]]
            uniqMerge([tuple(d)]) => 2
            groupBitOr(n) => 3
            deltaSum(n) => 2
            string_agg(d, '-') => "x-y-x-x"
            every(f) => true
            avgWeighted(f, n) => 3.3333333333333335
            skewPop(f) => 0
            groupArrayMovingSum(2)(f) => [1.5,4,6,8]
            groupConcat(d) => "x,y,x,x"
            lower(any(s)) => "a"
            sum() => error: Aggregation 'sum' expects 1 argument, found 0
            nope(n) => error: Unsupported function call 'nope(...)'
        "#]],
    );
}

#[test]
fn columns_are_computed_like_constants() {
    let names = columns();
    let schema = DFSchema::try_from(batch().schema()).expect("INVARIANT: names are unique");
    let mut out = String::new();
    for text in ["upper(d)", "concat(d, s)", "length(d)", "arrayMap(x -> x + n, [1, 2])", "if(d = 'x', f, n)", "d = 'x'"] {
        let Argument { expr, data_type, .. } = resolve(&parse_expr(text).expect("an expression"), &names).expect("a function");
        let physical = create_physical_expr(&expr, &schema, &ExecutionProps::new(), &Default::default()).expect("a plan");
        let array = physical.evaluate(&batch()).and_then(|value| value.into_array(4)).expect("a value");
        assert_eq!(array.data_type(), &data_type, "the type of {text}");
        let rows: Vec<String> = (0..4).map(|row| json(&array, row)).collect();
        out.push_str(&format!("{text} => {}\n", rows.join(" ")));
    }
    expect![[r#"
        upper(d) => "X" "Y" "X" "X"
        concat(d, s) => "xa" "yb" "xa" "x"
        length(d) => 1 1 1 1
        arrayMap(x -> x + n, [1, 2]) => [2,3] [3,4] [null,null] [4,5]
        if(d = 'x', f, n) => 1.5 2 3.5 4.5
        d = 'x' => true false true true
    "#]]
    .assert_eq(&out);
}

#[test]
fn every_name_is_found_again() {
    for name in ["COUNT", "Sum", "ifnull", "SORTABLESEMVER", "countIf", "sumIfOrNull", "uniqExactIf", "quantileIf"] {
        assert!(lookup(name).is_some(), "{name}");
    }
    for name in ["LENGTHutf8", "lowerIf", "sumSum", ""] {
        assert!(lookup(name).is_none(), "{name}");
    }
    let _ = (lit(1), Datum::Null);
}
