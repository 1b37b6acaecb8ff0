"""The grammar of RASP's own language, and the functions that every program in it can use, written in it."""

GRAMMAR = r"""
start: statement*
?statement: NAME ("," NAME)* "=" expr ("," expr)* ";"   -> assign
    | "def" NAME "(" [NAME ("," NAME)*] ")" block       -> define
    | "for" NAME ("," NAME)* "in" expr block            -> loop
    | "return" expr ("," expr)* ";"                     -> give
    | "set" "example" expr ";"?                         -> ignored
    | expr ";"                                          -> show
block: "{" statement* "}"
?expr: either
    | either "if" either "else" expr                    -> choose
?either: both
    | either "or" both                                  -> or_
?both: negated
    | both "and" negated                                -> and_
?negated: compared
    | "not" negated                                     -> not_
?compared: sum
    | sum RELATION sum                                  -> relate
    | sum "in" sum                                      -> within
    | sum "not" "in" sum                                -> without
?sum: term
    | sum (PLUS | MINUS) term                           -> binary
?term: signed
    | term TIMES signed                                 -> binary
?signed: power
    | MINUS signed                                      -> negative
?power: postfix
    | postfix "^" signed                                -> raised
?postfix: atom
    | postfix "(" [argument ("," argument)*] ")"        -> call
    | postfix "[" expr "]"                              -> item
?argument: expr
    | RELATION                                          -> relation
    | NAME "=" expr                                     -> named
?atom: NUMBER                                           -> number
    | STRING                                            -> string
    | "True"                                            -> true
    | "False"                                           -> false
    | "None"                                            -> none
    | NAME                                              -> name
    | "(" expr ")"
    | "[" [expr ("," expr)*] "]"                        -> list_
    | "[" expr "for" NAME ("," NAME)* "in" expr "]"     -> comprehension
    | "{" [entry ("," entry)*] "}"                      -> dict_
entry: expr ":" expr

RELATION: "==" | "!=" | "<=" | ">=" | "<" | ">"
PLUS: "+"
MINUS: "-"
TIMES: "*" | "//" | "/" | "%"
STRING: /"[^"\n]*"/ | /'[^'\n]*'/
NUMBER: /\d+(\.\d+)?/
NAME: /(?!(def|for|in|return|if|else|and|or|not|set|True|False|None)\b)[A-Za-z_]\w*/
COMMENT: /#[^\n]*/
%import common.WS
%ignore WS
%ignore COMMENT
"""

PRELUDE = """
select_all = select(1, 1, ==);
select_first = select(indices, 0, ==);
select_last = select(indices, length - 1, ==);
full_s = select_all;

def num_prevs(bools) { return selector_width(select(indices, indices, <=) and select(bools, True, ==)); }
def frac_prevs(bools) { return aggregate(select(indices, indices, <=), indicator(bools)); }
def has_prev(seq) { return selector_width(select(indices, indices, <) and select(seq, seq, ==)) > 0; }
def is_first(seq) { return not has_prev(seq); }
def count(seq, atom) { return selector_width(select(seq, atom, ==)); }
def contains(seq, atom) { return count(seq, atom) > 0; }
def histf(seq) { return selector_width(select(seq, seq, ==)); }
def load_from_location(seq, i) { return aggregate(select(indices, i, ==), seq); }
def shift_by(i, seq) { return aggregate(select(indices, indices - i, ==), seq); }
def reverse(seq) { return aggregate(select(indices, length - indices - 1, ==), seq); }
def sort(seq, keys) {
    earlier = select(keys, keys, <) or (select(keys, keys, ==) and select(indices, indices, <));
    return aggregate(select(selector_width(earlier), indices, ==), seq);
}
"""
