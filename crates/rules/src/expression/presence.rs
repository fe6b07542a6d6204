//! Makes `has(message.field)` ask whether the field is set.
//!
//! The interpreter takes `has(x.f)` for "`x.f` has a value", which every field of a message has,
//! set or not. Here it becomes a question that a message answers itself (see
//! [`super::value::Message`]), and that of a map stays what it was.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::value::PRESENCE;

pub(super) fn rewrite(node: &mut IdedExpr) -> Result<(), String> {
    match &mut node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => {
            if let Some(target) = &mut call.target {
                rewrite(target)?;
            }
            for argument in &mut call.args {
                rewrite(argument)?;
            }
        }
        Expr::Comprehension(all) => {
            let parts = [
                &mut all.iter_range,
                &mut all.accu_init,
                &mut all.loop_cond,
                &mut all.loop_step,
                &mut all.result,
            ];
            for part in parts {
                rewrite(part)?;
            }
        }
        Expr::List(list) => {
            for element in &mut list.elements {
                rewrite(element)?;
            }
        }
        Expr::Map(map) => each_entry(&mut map.entries)?,
        Expr::Struct(literal) => each_entry(&mut literal.entries)?,
        Expr::Select(select) => {
            rewrite(&mut select.operand)?;
            if select.test {
                node.expr = question(&select.operand, &select.field)?;
            }
        }
    }
    Ok(())
}

fn each_entry(entries: &mut [cel::common::ast::IdedEntryExpr]) -> Result<(), String> {
    for entry in entries {
        match &mut entry.expr {
            EntryExpr::StructField(field) => rewrite(&mut field.value)?,
            EntryExpr::MapEntry(entry) => {
                rewrite(&mut entry.key)?;
                rewrite(&mut entry.value)?;
            }
        }
    }
    Ok(())
}

/// What stands in the place of `has(operand.field)`.
fn question(operand: &IdedExpr, field: &str) -> Result<Expr, String> {
    // A field's name is a name, and so needs no escape.
    let template =
        format!("'{PRESENCE}' in operand ? '{PRESENCE}{field}' in operand : '{field}' in operand");
    let program = cel::Program::compile(&template).map_err(|error| error.to_string())?;
    let mut tree = program.expression().clone();
    put(&mut tree, operand);
    Ok(tree.expr)
}

/// Puts the operand in its places in the template, which holds calls alone.
fn put(node: &mut IdedExpr, operand: &IdedExpr) {
    match &mut node.expr {
        Expr::Ident(name) if name == "operand" => *node = operand.clone(),
        Expr::Call(call) => {
            for argument in call.target.iter_mut().map(AsMut::as_mut).chain(&mut call.args) {
                put(argument, operand);
            }
        }
        _ => {}
    }
}
