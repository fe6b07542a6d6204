//! Finds what can never be evaluated: a field, a name or a function that there is not.
//!
//! The interpreter knows no types, so that it would tell only when a message comes.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue};
use cel::common::ast::{ComprehensionExpr, operators};
use cel::{Context, ExecutionError};
use prost_reflect::Kind;

use crate::declared::Shape;

/// What a part of an expression is, as far as the contract says.
#[derive(Clone, Debug)]
enum Type {
    Of(Shape),
    Unknown,
}

/// What is checked, with the names that are in scope.
pub(super) struct Check<'a> {
    /// It has the functions, and no names.
    context: &'a Context<'a, 'a>,
    scope: Vec<(String, Type)>,
}

impl<'a> Check<'a> {
    pub(super) fn new(context: &'a Context<'a, 'a>, this: &Shape) -> Self {
        let scope =
            vec![("this".to_owned(), Type::Of(this.clone())), ("now".to_owned(), Type::Unknown)];
        Self { context, scope }
    }

    /// # Errors
    /// What there is not.
    pub(super) fn check(&mut self, node: &IdedExpr) -> Result<(), String> {
        self.type_of(node).map(drop)
    }

    fn type_of(&mut self, node: &IdedExpr) -> Result<Type, String> {
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(Type::Unknown),
            Expr::Ident(name) => match self.named(name) {
                Some(known) => Ok(known.clone()),
                None => self.is_declared(node),
            },
            // A qualified name, such as that of a type.
            Expr::Select(_) if self.is_foreign(node) => self.is_declared(node),
            Expr::Select(select) => field(self.type_of(&select.operand)?, &select.field),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(all) => self.comprehension(all),
            Expr::List(list) => self.each(&list.elements),
            Expr::Map(map) => self.entries(&map.entries),
            Expr::Struct(literal) => self.entries(&literal.entries),
        }
    }

    fn named(&self, name: &str) -> Option<&Type> {
        let name = name.strip_prefix('.').unwrap_or(name);
        self.scope.iter().rev().find(|(known, _)| known == name).map(|(_, of)| of)
    }

    /// Whether it is a name, or names with dots between, of which the first is not in scope.
    fn is_foreign(&self, node: &IdedExpr) -> bool {
        match &node.expr {
            Expr::Ident(name) => self.named(name).is_none(),
            Expr::Select(select) => !select.test && self.is_foreign(&select.operand),
            _ => false,
        }
    }

    /// Asks the interpreter whether it knows a name.
    fn is_declared(&self, node: &IdedExpr) -> Result<Type, String> {
        match cel::Value::resolve(node, self.context) {
            Err(ExecutionError::UndeclaredReference(name)) => Err(format!("there is no {name}")),
            _ => Ok(Type::Unknown),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Type, String> {
        let foreign = call.target.as_ref().filter(|target| self.is_foreign(target));
        if call.func_name.starts_with(char::is_alphabetic) {
            let null = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Null) };
            let target = foreign.cloned().unwrap_or_else(|| Box::new(null.clone()));
            self.is_declared(&IdedExpr {
                id: 0,
                expr: Expr::Call(CallExpr {
                    func_name: call.func_name.clone(),
                    target: call.target.is_some().then_some(target),
                    args: vec![null; call.args.len()],
                }),
            })?;
        }
        if foreign.is_none()
            && let Some(target) = &call.target
        {
            self.type_of(target)?;
        }
        match call.args.as_slice() {
            [of, index] if call.func_name == operators::INDEX => {
                self.type_of(index)?;
                Ok(element(self.type_of(of)?))
            }
            args => self.each(args),
        }
    }

    fn comprehension(&mut self, all: &ComprehensionExpr) -> Result<Type, String> {
        let range = self.type_of(&all.iter_range)?;
        self.type_of(&all.accu_init)?;
        let outer = self.scope.len();
        self.scope.push((all.accu_var.clone(), Type::Unknown));
        let item = match range {
            Type::Of(Shape::Map(key, _)) => of_kind(key),
            range => element(range),
        };
        self.scope.push((all.iter_var.clone(), item));
        self.scope.extend(all.iter_var2.iter().map(|name| (name.clone(), Type::Unknown)));
        for part in [&all.loop_cond, &all.loop_step, &all.result] {
            self.type_of(part)?;
        }
        self.scope.truncate(outer);
        Ok(Type::Unknown)
    }

    fn each(&mut self, nodes: &[IdedExpr]) -> Result<Type, String> {
        for node in nodes {
            self.type_of(node)?;
        }
        Ok(Type::Unknown)
    }

    fn entries(&mut self, entries: &[IdedEntryExpr]) -> Result<Type, String> {
        for entry in entries {
            match &entry.expr {
                EntryExpr::StructField(field) => self.type_of(&field.value)?,
                EntryExpr::MapEntry(entry) => {
                    self.type_of(&entry.key)?;
                    self.type_of(&entry.value)?
                }
            };
        }
        Ok(Type::Unknown)
    }
}

/// `of.name`.
fn field(of: Type, name: &str) -> Result<Type, String> {
    match of {
        Type::Of(Shape::Map(_, value)) => Ok(of_kind(value)),
        Type::Of(Shape::List(_)) => Err(format!("a list has no field {name}")),
        Type::Of(Shape::Single(Kind::Message(message))) => {
            // They are values of CEL, some of them with fields of their own.
            if message.package_name() == "google.protobuf" {
                return Ok(Type::Unknown);
            }
            match message.get_field_by_name(name) {
                Some(field) => Ok(Type::Of(Shape::of(&field))),
                None => Err(format!("{} has no field {name}", message.full_name())),
            }
        }
        Type::Of(Shape::Single(kind)) => Err(format!("{kind:?} has no field {name}")),
        Type::Unknown => Ok(Type::Unknown),
    }
}

/// What a list has as items, and a map as values.
fn element(of: Type) -> Type {
    match of {
        Type::Of(Shape::List(kind) | Shape::Map(_, kind)) => of_kind(kind),
        _ => Type::Unknown,
    }
}

fn of_kind(kind: Kind) -> Type {
    Type::Of(Shape::Single(kind))
}
