//! An expression, compiled once and evaluated for each message.

use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, IdedExpr};
use prost_reflect::Value;

use super::{Source, functions, presence, value};
use crate::check::{At, Found};

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Nothing is declared twice, so that nothing is refused.
    let _ = env.add_extension(cel::extensions::strings);
    let _ = env.add_extension(functions::extension);
    Arc::new(env)
});

/// An expression, ready to be evaluated.
#[derive(Clone)]
pub(crate) struct Expression {
    source: Arc<Source>,
    tree: Arc<IdedExpr>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Expression {
    pub(crate) fn new(source: Source) -> Result<Self, String> {
        let wrong = |error: String| format!("the expression {:?}: {error}", source.expression);
        let program = ENV.compile(&source.expression).map_err(|error| wrong(error.to_string()))?;
        let mut tree = program.expression().clone();
        presence::rewrite(&mut tree).map_err(wrong)?;
        Ok(Self { source: Arc::new(source), tree: Arc::new(tree) })
    }

    /// True and the empty text say that `this` is as it should be; nothing else does, so that a
    /// rule that cannot be evaluated is broken.
    pub(crate) fn check(&self, this: &Value, at: &At<'_>, found: &mut Found) {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_as_val("this", value::of(this));
        context.add_variable_as_val("now", value::now());
        let told = match cel::Value::resolve(&self.tree, &context) {
            Ok(cel::Value::Bool(true)) => return,
            Ok(cel::Value::String(text)) if text.is_empty() => return,
            Ok(cel::Value::String(text)) => text.to_string(),
            Ok(_) => String::new(),
            Err(error) => {
                let words = format!("the rule cannot be evaluated: {error}");
                return found.add(at, &self.source.id, words);
            }
        };
        let words = match (self.source.message.as_str(), told.as_str()) {
            ("", "") => format!("{} is not true", self.source.expression),
            ("", told) => told.to_owned(),
            (message, _) => message.to_owned(),
        };
        found.add(at, &self.source.id, words);
    }
}
