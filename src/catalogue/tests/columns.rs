//! The columns of tables.

use super::super::*;
use crate::datum::Comparison;

fn column(comparison: Comparison) -> ColumnInfo {
    ColumnInfo {
        comparison,
        set_by_server: false,
    }
}

fn shape(columns: &[&str], primary: &[&str]) -> Option<Shape> {
    let columns = columns
        .iter()
        .map(|name| (*name, column(Comparison::Uuids)));
    Shape::new(columns, primary.iter().copied())
}

/// A relation of which all that was told.
fn told(shapes: &[Option<Shape>]) -> Relation {
    let mut relation = Relation::default();
    for shape in shapes {
        relation.shape.tell(shape.clone());
    }
    relation
}

#[test]
fn names_are_folded() {
    let folded = shape(&["Id", "NAME"], &["ID"]).unwrap();
    assert_eq!(folded, shape(&["id", "name"], &["id"]).unwrap());
    assert_eq!(folded.primary, [Name::from("id")]);
    assert_eq!(shape(&["id", "Id"], &["id"]), None);
    // The order of a key is its own.
    let key = shape(&["a", "b"], &["b", "a"]).unwrap().primary;
    assert_eq!(key, ["b", "a"].map(Name::from));
}

#[test]
fn a_key_of_what_is_no_column_is_no_key() {
    let shape = shape(&["id"], &["id", "tenant"]).unwrap();
    assert!(shape.primary.is_empty() && !shape.columns.is_empty());
}

#[test]
fn a_shape_is_told_alike_or_not_at_all() {
    let one = || shape(&["id"], &["id"]);
    let no_key = || shape(&["id"], &[]);
    let wider = Shape::new([("id", column(Comparison::signed(8)))], ["id"]);
    assert_eq!(told(&[]).shape(), None);
    assert_eq!(told(&[one()]).shape(), one().as_ref());
    assert_eq!(told(&[one(), one(), one()]).shape(), one().as_ref());
    for contradictory in [
        [one(), no_key(), one()],
        [one(), wider, one()],
        [None, one(), one()],
        [one(), one(), None],
    ] {
        assert_eq!(told(&contradictory).shape(), None, "{contradictory:?}");
    }
}

#[test]
fn only_a_plain_table_has_a_shape() {
    let plain = || told(&[shape(&["id"], &["id"])]);
    assert!(plain().shape().is_some());
    let spoil: [fn(&mut Relation); 6] = [
        |relation| relation.views.push(Analysis::default()),
        |relation| relation.uncacheable = true,
        |relation| relation.row_security = true,
        |relation| relation.also_reads.extend([Name::from("grants")]),
        |relation| relation.on_access.push(Code::default()),
        |relation| relation.family.extend([Name::from("t_1")]),
    ];
    for (at, spoil) in spoil.iter().enumerate() {
        let mut relation = plain();
        spoil(&mut relation);
        assert_eq!(relation.shape(), None, "{at}");
    }
}
