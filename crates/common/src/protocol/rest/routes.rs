//! Which route a request takes: a tree of path segments, in which text beats `*` and `*` beats
//! `**`, segment by segment.

use http::Method;

use super::percent;
use super::template::{Segment, Template};

/// Routes by HTTP method and path.
#[derive(Debug)]
pub(super) struct Routes<R> {
    nodes: Vec<Node>,
    ends: Vec<End<R>>,
}

/// What may come at one place of a path.
#[derive(Debug, Default)]
struct Node {
    /// By text, sorted.
    literals: Vec<(Box<str>, usize)>,
    one: Option<usize>,
    /// Those that end here, and those whose `**` begins here: places in `Routes::ends`.
    ends: Vec<usize>,
    rests: Vec<usize>,
}

/// One route: what its path ends with, and its HTTP method.
#[derive(Debug)]
struct End<R> {
    verb: Option<Box<str>>,
    method: Option<Method>,
    route: R,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'r, 'p, R> {
    /// The route, and the path less its verb.
    Route(&'r R, &'p str),
    /// The path is one, but not by this HTTP method; these it takes.
    OtherMethods(Vec<Method>),
    /// No route has this path. The routes that begin like it, as far as any does.
    Nothing(Vec<&'r R>),
}

/// The most routes that are named to who took none of them.
const NEAR: usize = 5;

/// The most routes of which these are picked.
const LOOKED_AT: usize = 50;

/// What is compared of a segment that no route has, to find those that are near.
const COMPARED: usize = 64;

impl<R> Routes<R> {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()], ends: Vec::new() }
    }

    /// Adds a route.
    ///
    /// # Errors
    /// The route that has the same path and method already.
    pub(super) fn add(
        &mut self,
        method: Option<&Method>,
        template: &Template,
        route: R,
    ) -> Result<(), &R> {
        let mut at = 0;
        let mut rest = false;
        for segment in template.segments() {
            match segment {
                Segment::Literal(text) => at = self.literal(at, text),
                Segment::One => at = self.one(at),
                Segment::Rest => rest = true,
            }
        }
        let verb = template.verb();
        let new = self.ends.len();
        let Self { nodes, ends } = self;
        let Some(node) = nodes.get_mut(at) else {
            return Ok(());
        };
        let here = if rest { &mut node.rests } else { &mut node.ends };
        let same = here.iter().find(|end| {
            let end = ends.get(**end);
            end.is_some_and(|end| end.verb.as_deref() == verb && end.method.as_ref() == method)
        });
        if let Some(same) = same.copied() {
            return ends.get(same).map_or(Ok(()), |end| Err(&end.route));
        }
        // Those for one method come before those for any.
        match method {
            Some(_) => here.insert(0, new),
            None => here.push(new),
        }
        ends.push(End { verb: verb.map(Into::into), method: method.cloned(), route });
        Ok(())
    }

    fn literal(&mut self, at: usize, text: &str) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        match node.literals.binary_search_by(|(known, _)| (**known).cmp(text)) {
            Ok(place) => node.literals.get(place).map_or(at, |(_, next)| *next),
            Err(place) => {
                node.literals.insert(place, (text.into(), new));
                self.nodes.push(Node::default());
                new
            }
        }
    }

    fn one(&mut self, at: usize) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        match node.one {
            Some(next) => next,
            None => {
                node.one = Some(new);
                self.nodes.push(Node::default());
                new
            }
        }
    }

    /// Finds the route of a request.
    pub(super) fn find<'p>(&self, method: &Method, path: &'p str) -> Found<'_, 'p, R> {
        let takes = |end: &End<R>| end.method.as_ref().is_none_or(|own| own == method);
        if let Some((end, path)) = self.search(path, &mut |end| takes(end)) {
            return Found::Route(&end.route, path);
        }
        let mut methods: Vec<Method> = Vec::new();
        self.search(path, &mut |end| {
            methods.extend(end.method.clone());
            false
        });
        if methods.is_empty() {
            return Found::Nothing(self.near(method, path));
        }
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        Found::OtherMethods(methods)
    }

    /// The first route with this path, by any method, that is `wanted`, and the path less its verb.
    pub(super) fn find_any<'p>(
        &self,
        path: &'p str,
        wanted: impl Fn(&R) -> bool,
    ) -> Option<(&R, &'p str)> {
        self.search(path, &mut |end| wanted(&end.route)).map(|(end, path)| (&end.route, path))
    }

    /// The best end for a path that is taken. A colon in the last segment begins a verb if a route
    /// has that verb, and is part of the segment otherwise.
    fn search<'p>(
        &self,
        path: &'p str,
        take: &mut dyn FnMut(&End<R>) -> bool,
    ) -> Option<(&End<R>, &'p str)> {
        let root = self.nodes.first()?;
        let segments = path.strip_prefix('/')?;
        if let Some((before, verb)) = path.rsplit_once(':')
            && !verb.contains('/')
            && let Some(verb) = percent::segment(verb)
        {
            let segments = before.strip_prefix('/')?;
            if let Some(end) = self.walk(root, Some(segments), Some(&verb), take) {
                return Some((end, before));
            }
        }
        self.walk(root, Some(segments), None, take).map(|end| (end, path))
    }

    /// Each node is visited at most once, since one segment leads to it; that bounds the work.
    fn walk(
        &self,
        node: &Node,
        left: Option<&str>,
        verb: Option<&str>,
        take: &mut dyn FnMut(&End<R>) -> bool,
    ) -> Option<&End<R>> {
        let mut taken = |ends: &[usize]| {
            let ends = ends.iter().filter_map(|end| self.ends.get(*end));
            ends.filter(|end| end.verb.as_deref() == verb).find(|end| take(end))
        };
        let Some(left) = left else {
            return taken(&node.ends).or_else(|| taken(&node.rests));
        };
        let (segment, after) = match left.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (left, None),
        };
        if let Some(next) = node.literal(segment).and_then(|next| self.nodes.get(next))
            && let Some(end) = self.walk(next, after, verb, take)
        {
            return Some(end);
        }
        if !segment.is_empty()
            && let Some(next) = node.one.and_then(|next| self.nodes.get(next))
            && let Some(end) = self.walk(next, after, verb, take)
        {
            return Some(end);
        }
        let ends = node.rests.iter().filter_map(|end| self.ends.get(*end));
        ends.filter(|end| end.verb.as_deref() == verb).find(|end| take(end))
    }

    /// Routes that begin as the path does, those first whose next segment is most like the path's:
    /// of those that take the method, or of others where none does.
    pub(super) fn near(&self, method: &Method, path: &str) -> Vec<&R> {
        let Some(mut node) = self.nodes.first() else {
            return Vec::new();
        };
        let mut wrong = "";
        for segment in path.split('/').skip(1) {
            wrong = segment;
            let next = node.literal(segment).or(node.one).and_then(|next| self.nodes.get(next));
            let Some(next) = next else {
                break;
            };
            wrong = "";
            node = next;
        }
        let wrong: String = wrong.chars().take(COMPARED).collect();
        let likeness = |text: &str| strsim::normalized_damerau_levenshtein(text, &wrong);
        let mut children: Vec<_> =
            node.literals.iter().map(|(text, next)| (likeness(text), *next)).collect();
        children.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut near: Vec<usize> = Vec::new();
        near.extend(node.ends.iter().chain(&node.rests));
        for next in children.into_iter().map(|(_, next)| next).chain(node.one) {
            self.below(next, &mut near);
        }
        let mut near: Vec<_> = near.into_iter().filter_map(|end| self.ends.get(end)).collect();
        let takes = |end: &&End<R>| end.method.as_ref().is_none_or(|own| own == method);
        if near.iter().any(takes) {
            near.retain(takes);
        }
        near.into_iter().take(NEAR).map(|end| &end.route).collect()
    }

    fn below(&self, node: usize, ends: &mut Vec<usize>) {
        let Some(node) = self.nodes.get(node) else {
            return;
        };
        ends.extend(node.ends.iter().chain(&node.rests));
        for next in node.literals.iter().map(|(_, next)| *next).chain(node.one) {
            if ends.len() >= LOOKED_AT {
                return;
            }
            self.below(next, ends);
        }
    }
}

impl Node {
    fn literal(&self, segment: &str) -> Option<usize> {
        let find = |text: &str| {
            let place = self.literals.binary_search_by(|(known, _)| (**known).cmp(text)).ok()?;
            self.literals.get(place).map(|(_, next)| *next)
        };
        match segment.contains('%') {
            false => find(segment),
            true => find(&percent::segment(segment)?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn routes(templates: &[&'static str]) -> Routes<&'static str> {
        let mut routes = Routes::new();
        for written in templates {
            let (method, template) = written.split_once(' ').unwrap();
            let method = Method::from_bytes(method.as_bytes()).ok().filter(|m| m != "*");
            let template = Template::parse(template).unwrap();
            routes.add(method.as_ref(), &template, *written).unwrap();
        }
        routes
    }

    fn get<'p>(routes: &Routes<&'static str>, path: &'p str) -> Option<(&'static str, &'p str)> {
        match routes.find(&Method::GET, path) {
            Found::Route(route, path) => Some((*route, path)),
            _ => None,
        }
    }

    #[test]
    fn text_beats_one_beats_rest_segment_by_segment() {
        let routes = routes(&[
            "GET /v1/**",
            "GET /v1/*",
            "GET /v1/a",
            "GET /v1/*/b",
            "GET /v1/a/c",
            "GET /v1/*/**",
        ]);
        for (path, route) in [
            ("/v1", "GET /v1/**"),
            ("/v1/", "GET /v1/**"),
            ("/v1/a", "GET /v1/a"),
            ("/v1/x", "GET /v1/*"),
            ("/v1/a/c", "GET /v1/a/c"),
            // Back from `a`, which has no `b`.
            ("/v1/a/b", "GET /v1/*/b"),
            ("/v1/x/y", "GET /v1/*/**"),
            ("/v1//y", "GET /v1/**"),
        ] {
            assert_eq!(get(&routes, path), Some((route, path)), "{path}");
        }
        assert_eq!(get(&routes, "/v2"), None);
        assert_eq!(get(&routes, ""), None);
    }

    #[test]
    fn a_segment_is_never_empty_but_rest_may_be() {
        let routes = routes(&["GET /a/*", "GET /b/**", "GET /c"]);
        assert_eq!(get(&routes, "/a/"), None);
        assert_eq!(get(&routes, "/a"), None);
        assert_eq!(get(&routes, "/c/"), None);
        assert!(get(&routes, "/b").is_some() && get(&routes, "/b/x/y/").is_some());
    }

    #[test]
    fn a_colon_begins_a_verb_only_where_there_is_one() {
        let routes = routes(&["GET /v1/*:undo", "GET /v1/*", "GET /f/**:go", "GET /v1:all"]);
        assert_eq!(get(&routes, "/v1/x:undo"), Some(("GET /v1/*:undo", "/v1/x")));
        assert_eq!(get(&routes, "/v1/x:%75ndo"), Some(("GET /v1/*:undo", "/v1/x")));
        assert_eq!(get(&routes, "/v1/x:redo"), Some(("GET /v1/*", "/v1/x:redo")));
        assert_eq!(get(&routes, "/v1/x%3Aundo"), Some(("GET /v1/*", "/v1/x%3Aundo")));
        assert_eq!(get(&routes, "/v1/a:b:undo"), Some(("GET /v1/*:undo", "/v1/a:b")));
        assert_eq!(get(&routes, "/f/a:b/c:go"), Some(("GET /f/**:go", "/f/a:b/c")));
        assert_eq!(get(&routes, "/v1:all"), Some(("GET /v1:all", "/v1")));
        assert_eq!(get(&routes, "/v1/:undo"), Some(("GET /v1/*", "/v1/:undo")));
    }

    #[test]
    fn literals_are_compared_decoded() {
        let routes = routes(&["GET /a%20b/c"]);
        assert!(get(&routes, "/a%20b/c").is_some() && get(&routes, "/%61%20b/%63").is_some());
        assert!(get(&routes, "/a+b/c").is_none());
    }

    #[test]
    fn other_methods_are_named() {
        let routes = routes(&["POST /v1/a", "GET /v1/*", "PUT /v1/a", "* /any"]);
        // The path of `*` takes it, though that of `a` is nearer.
        assert_eq!(get(&routes, "/v1/a"), Some(("GET /v1/*", "/v1/a")));
        let found = routes.find(&Method::DELETE, "/v1/a");
        assert_eq!(found, Found::OtherMethods(vec![Method::GET, Method::POST, Method::PUT]));
        assert!(get(&routes, "/any").is_some());
    }

    #[test]
    fn the_same_shape_twice_is_a_conflict() {
        let mut routes = routes(&["GET /v1/{a}/b:go"]);
        let same = Template::parse("/v1/{c=*}/b:go").unwrap();
        assert_eq!(routes.add(Some(&Method::GET), &same, "second"), Err(&"GET /v1/{a}/b:go"));
        assert_eq!(routes.add(Some(&Method::PUT), &same, "second"), Ok(()));
        assert_eq!(routes.add(None, &same, "third"), Ok(()));
        assert_eq!(routes.add(None, &same, "fourth"), Err(&"third"));
        assert_eq!(routes.find(&Method::PUT, "/v1/x/b:go"), Found::Route(&"second", "/v1/x/b"));
        assert_eq!(routes.find(&Method::HEAD, "/v1/x/b:go"), Found::Route(&"third", "/v1/x/b"));
    }

    #[test]
    fn who_is_lost_is_told_what_is_near() {
        let routes =
            routes(&["GET /v1/worlds", "GET /v1/hellos/{id}", "POST /v1/hells", "GET /w/x/y"]);
        let near = |path| match routes.find(&Method::GET, path) {
            Found::Nothing(near) => near.into_iter().copied().collect(),
            _ => vec![],
        };
        assert_eq!(near("/v1/hello"), ["GET /v1/hellos/{id}", "GET /v1/worlds"]);
        assert_eq!(near("/v1/hellos"), ["GET /v1/hellos/{id}"]);
        assert_eq!(near("/w/z"), ["GET /w/x/y"]);
    }

    /// Text of the grammar's own characters, which is a template more often than random bytes are.
    fn random(rng: &mut fastrand::Rng) -> String {
        const PARTS: [&str; 14] =
            ["/", "/", "/", "a", "b", "*", "**", "{", "}", "{c}", "{d=*}", "{e=a/**}", ":", "%2F"];
        (0..rng.usize(1..12)).map(|_| PARTS[rng.usize(..PARTS.len())]).collect()
    }

    /// A path is found by the template that it is made of, or by one that is as near.
    #[test]
    fn what_a_template_stands_for_takes_its_route() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut found = 0;
        for _ in 0..20_000 {
            let mut routes = Routes::new();
            let templates: Vec<_> =
                (0..4).filter_map(|_| Template::parse(&random(&mut rng)).ok()).collect();
            for template in &templates {
                let _ = routes.add(None, template, template.to_string());
            }
            for template in &templates {
                let mut path = String::new();
                for segment in template.segments() {
                    match segment {
                        Segment::Literal(text) => path += &format!("/{}", text.replace('/', "%2F")),
                        Segment::One => path += "/x%2Fy",
                        Segment::Rest => path += ["", "/", "/x/a", "/b//:"][rng.usize(..4)],
                    }
                }
                if path.is_empty() {
                    path.push('/');
                }
                path.extend(template.verb().map(|verb| format!(":{}", verb.replace('/', "%2F"))));
                let route = routes.find(&Method::GET, &path);
                assert!(matches!(route, Found::Route(..)), "{template} {path} {templates:?}");
                found += 1;
            }
            // Whatever else comes is answered, too.
            let _ = routes.find(&Method::GET, &random(&mut rng));
        }
        assert!(found > 1000, "{found} templates");
    }
}
