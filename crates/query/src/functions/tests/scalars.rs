//! Scalar functions of constants, with and without lambdas.

use expect_test::expect;

use super::check;

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
        split_part('a-b-c', '-', 2)
        hasAnyTokens('hello world', ['World'])
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
            split_part('a-b-c', '-', 2) => "b"
            hasAnyTokens('hello world', ['World']) => true
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
        arrayWithConstant(2, 'a')
        arrayReduce('sum', [1, 2, 3])
        arrayReduce('nope', [1])
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
            arrayWithConstant(2, 'a') => ["a","a"]
            arrayReduce('sum', [1, 2, 3]) => 6
            arrayReduce('nope', [1]) => error: function 'arrayReduce' expects the name of an aggregate in quotes as argument 1, found something else
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
            JSONExtractRaw('{"a": [1, 2]}', 'a') => "[1,2]"
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
