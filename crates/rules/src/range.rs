//! Values between bounds, on a list, or off one.

/// An upper bound.
#[derive(Clone, Debug, PartialEq)]
pub enum Upper<T> {
    /// Less than this.
    Below(T),
    /// This at most.
    AtMost(T),
}

/// A lower bound.
#[derive(Clone, Debug, PartialEq)]
pub enum Lower<T> {
    /// More than this.
    Above(T),
    /// This at least.
    AtLeast(T),
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Range<T> {
    /// Exactly this.
    pub exactly: Option<T>,
    /// Its upper bound.
    pub upper: Option<Upper<T>>,
    /// Its lower bound. Where it is above the upper one, the value is outside of the two.
    pub lower: Option<Lower<T>>,
    /// One of these; any, if there are none.
    pub one_of: Vec<T>,
    /// None of these.
    pub none_of: Vec<T>,
}

impl<T> Default for Range<T> {
    fn default() -> Self {
        Self { exactly: None, upper: None, lower: None, one_of: Vec::new(), none_of: Vec::new() }
    }
}

impl<T> Upper<T> {
    pub(crate) fn bound(&self) -> &T {
        let (Self::Below(bound) | Self::AtMost(bound)) = self;
        bound
    }
}

impl<T> Lower<T> {
    pub(crate) fn bound(&self) -> &T {
        let (Self::Above(bound) | Self::AtLeast(bound)) = self;
        bound
    }
}

impl<T: PartialOrd> Range<T> {
    /// Tells what is wrong with a value: the rule's name, without its type, and the words.
    pub(crate) fn check(
        &self,
        value: &T,
        show: impl Fn(&T) -> String,
        mut wrong: impl FnMut(String, String),
    ) {
        if let Some(exactly) = &self.exactly
            && value != exactly
        {
            wrong("const".into(), format!("has to be {}", show(exactly)));
        }
        self.check_bounds(value, &show, &mut wrong);
        let list = |values: &[T]| values.iter().map(&show).collect::<Vec<_>>().join(", ");
        if !self.one_of.is_empty() && !self.one_of.contains(value) {
            wrong("in".into(), format!("has to be one of {}", list(&self.one_of)));
        }
        if self.none_of.contains(value) {
            wrong("not_in".into(), format!("must not be one of {}", list(&self.none_of)));
        }
    }

    fn check_bounds(
        &self,
        value: &T,
        show: &impl Fn(&T) -> String,
        wrong: &mut impl FnMut(String, String),
    ) {
        // What compares with nothing, such as NaN, is within no bounds.
        let below = self.upper.as_ref().map(|upper| match upper {
            Upper::Below(bound) => ("lt", value < bound, format!("less than {}", show(bound))),
            Upper::AtMost(bound) => ("lte", value <= bound, format!("at most {}", show(bound))),
        });
        let above = self.lower.as_ref().map(|lower| match lower {
            Lower::Above(bound) => ("gt", value > bound, format!("more than {}", show(bound))),
            Lower::AtLeast(bound) => ("gte", value >= bound, format!("at least {}", show(bound))),
        });
        match (above, below) {
            (None, None) => {}
            (Some((rule, kept, words)), None) | (None, Some((rule, kept, words))) => {
                if !kept {
                    wrong(rule.into(), words);
                }
            }
            (Some((gt, above, at_least)), Some((lt, below, at_most))) => {
                if self.leaves_out() {
                    if !(above || below) {
                        wrong(format!("{gt}_{lt}_exclusive"), format!("{at_least} or {at_most}"));
                    }
                } else if !(above && below) {
                    wrong(format!("{gt}_{lt}"), format!("{at_least} and {at_most}"));
                }
            }
        }
    }

    /// Whether the bounds leave out what is between them.
    pub(crate) fn leaves_out(&self) -> bool {
        match (&self.lower, &self.upper) {
            (Some(lower), Some(upper)) => upper.bound() < lower.bound(),
            _ => false,
        }
    }
}
