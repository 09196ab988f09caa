//! Calls that stand for other expressions: PostHog's functions about surveys and programs, and numbers of rows. Also those that need what is not here.

use crate::error::QueryError;
use crate::hogql::ast::{ArithmeticOp, Call, CompareOp, Expr, ExprKind, GroupBy, Literal, Over, SelectQuery, Window};
use crate::hogql::build::{and, arithmetic, call, compare, eq, subquery, table};

/// What the call stands for; `None` when it stands for itself.
///
/// # Errors
/// [`QueryError::Resolve`] when its arguments are not the constants that it needs.
pub(super) fn expanded(found: &Call) -> Result<Option<Expr>, QueryError> {
    Ok(match (found.name.as_str(), found.args.as_slice()) {
        ("getSurveyResponse", args @ ([_] | [_, _] | [_, _, _])) => Some(survey_response(args)?),
        ("uniqueSurveySubmissionsFilter", args @ ([_] | [_, _] | [_, _, _])) => Some(unique_submissions(args)?),
        ("rowNumberInBlock" | "rowNumberInAllBlocks", []) => {
            let over = Some(Box::new(Over::Window(Window::default())));
            let number = Call { name: "row_number".to_owned(), over, ..Call::default() };
            Some(arithmetic(ArithmeticOp::Sub, number.into(), Expr::lit(1)))
        }
        (name, args) => match (of_user_agent(name), args) {
            (None, _) => return refused(name).map_or(Ok(None), Err),
            (Some(function), [user_agent] | [user_agent, _]) => Some(call(function, vec![given_text(user_agent.clone())])),
            (Some(_), args) => {
                return Err(QueryError::resolve(format!("Function '{name}' expects 1 or 2 arguments, found {}", args.len())));
            }
        },
    })
}

/// The function of a text that tells what PostHog's of that name tells of a user agent. An address beside it says nothing here.
fn of_user_agent(name: &str) -> Option<&'static str> {
    Some(match name {
        "isLikelyBot" => "_isLikelyBot",
        "getBotName" => "_botName",
        "getBotOperator" => "_botOperator",
        "getBotType" => "_botType",
        "getTrafficType" => "_trafficType",
        "getTrafficCategory" => "_trafficCategory",
        _ => return None,
    })
}

/// No user agent is an empty one.
fn given_text(user_agent: Expr) -> Expr {
    call("ifNull", vec![call("toString", vec![user_agent]), Expr::lit("")])
}

/// A field of events that is told by the user agent.
pub(super) fn of_program(field: &str) -> Option<Expr> {
    let function = match field {
        "$virt_is_bot" => "isLikelyBot",
        "$virt_traffic_type" => "getTrafficType",
        "$virt_traffic_category" => "getTrafficCategory",
        "$virt_bot_name" => "getBotName",
        "$virt_bot_operator" => "getBotOperator",
        _ => return None,
    };
    let own = |key: &str| Expr::field(["properties", key]);
    Some(call(function, vec![call("coalesce", vec![own("$raw_user_agent"), own("$user_agent")])]))
}

/// Why a function of PostHog's cannot be had.
fn refused(name: &str) -> Option<QueryError> {
    let needs = match name {
        "convertCurrency" => "exchange rates",
        "embedText" | "llmComplete" | "explainCSPReport" => "a language model",
        "lookupGeoip" => "a table of addresses",
        _ => return None,
    };
    Some(QueryError::unsupported(format!("{name} needs {needs}, which this server does not have")))
}

fn property(key: &str) -> Expr {
    call("JSONExtractString", vec![Expr::field(["properties"]), Expr::lit(key)])
}

/// `getSurveyResponse(index[, question id[, several answers]])`.
fn survey_response(args: &[Expr]) -> Result<Expr, QueryError> {
    let index = match args[0].as_literal() {
        Some(Literal::Int(index)) => *index,
        Some(Literal::String(index)) => index
            .parse()
            .map_err(|_| QueryError::resolve(format!("getSurveyResponse first argument must be a valid integer, found '{index}'")))?,
        _ => return Err(QueryError::resolve("getSurveyResponse first argument must be a constant")),
    };
    let by_index = if index == 0 { "$survey_response".to_owned() } else { format!("$survey_response_{index}") };
    let question = match args.get(1).and_then(Expr::as_literal) {
        Some(Literal::String(id)) if !id.is_empty() => Some(id.clone()),
        _ => None,
    };
    let several = matches!(args.get(2).and_then(Expr::as_literal), Some(Literal::Bool(true) | Literal::Int(1)));
    let by_id = question.map_or_else(
        || {
            // without an id the list of questions says which one has this place
            let questions = call("JSONExtractArrayRaw", vec![Expr::field(["properties"]), Expr::lit("$survey_questions")]);
            let one = call("arrayElement", vec![questions, Expr::lit(index + 1)]);
            call("concat", vec![Expr::lit("$survey_response_"), call("JSONExtractString", vec![one, Expr::lit("id")])])
        },
        |id| Expr::lit(format!("$survey_response_{id}")),
    );
    let at = |name: &str, key: Expr| call(name, vec![Expr::field(["properties"]), key]);
    if several {
        let list = |key: Expr| at("JSONExtractArrayRaw", key);
        let given = compare(CompareOp::Gt, call("length", vec![list(by_id.clone())]), Expr::lit(0));
        return Ok(call("if", vec![given, list(by_id), list(Expr::lit(by_index))]));
    }
    let text = |value: Expr| call("nullIf", vec![value, Expr::lit("")]);
    Ok(call("coalesce", vec![text(at("JSONExtractString", by_id)), text(property(&by_index))]))
}

/// `uniqueSurveySubmissionsFilter(survey[, from[, to]])`: of each submission the newest event.
fn unique_submissions(args: &[Expr]) -> Result<Expr, QueryError> {
    if args.iter().any(|arg| arg.as_literal().is_none()) {
        return Err(QueryError::resolve("uniqueSurveySubmissionsFilter arguments must be constants"));
    }
    let own = |key: &str| Expr::field(["properties", key]);
    let mut conditions = vec![eq(Expr::field(["event"]), Expr::lit("survey sent")), eq(own("$survey_id"), args[0].clone())];
    let time = || Expr::field(["timestamp"]);
    conditions.extend(args.get(1).map(|from| compare(CompareOp::GtEq, time(), from.clone())));
    conditions.extend(args.get(2).map(|to| compare(CompareOp::LtEq, time(), to.clone())));
    let submission = || call("toString", vec![own("$survey_submission_id")]);
    let is_new = eq(call("coalesce", vec![submission(), Expr::lit("")]), Expr::lit(""));
    let key = call("if", vec![is_new, call("toString", vec![Expr::field(["uuid"])]), submission()]);
    let newest = SelectQuery {
        select: vec![call("argMax", vec![Expr::field(["uuid"]), time()])],
        from: Some(table("events")),
        filter: Some(and(conditions)),
        group_by: Some(GroupBy::Exprs(vec![key])),
        ..SelectQuery::default()
    };
    Ok(ExprKind::Compare { op: CompareOp::In, left: Box::new(Expr::field(["uuid"])), right: Box::new(subquery(newest)) }.into())
}
