//! Keyset pagination: conditions and orders that continue a list after a position, with ties ordered by id.

/// Rows after a position in a column that is never NULL. The first condition is redundant, but an index range scan can
/// use it, which is not so for the `OR` alone.
macro_rules! after {
    ($query:expr, $column:expr, $value:expr, $id_column:expr, $id:expr, $descending:expr) => {{
        let value = $value;
        if $descending {
            $query.filter($column.le(value.clone())).filter($column.lt(value).or($id_column.lt($id)))
        } else {
            $query.filter($column.ge(value.clone())).filter($column.gt(value).or($id_column.gt($id)))
        }
    }};
}

/// Rows after a position in a nullable column; NULL sorts above every value if `$nulls_high`, else below.
macro_rules! after_nullable {
    ($query:expr, $column:expr, $value:expr, $id_column:expr, $id:expr, $descending:expr, $nulls_high:expr) => {{
        let nulls_first = $nulls_high == $descending;
        match ($value, $descending) {
            (Some(value), true) if nulls_first => {
                $query.filter($column.lt(value).or($column.eq(value).and($id_column.lt($id))))
            }
            (Some(value), true) => $query.filter(
                $column.lt(value).or($column.eq(value).and($id_column.lt($id))).or($column.is_null()),
            ),
            (Some(value), false) if nulls_first => {
                $query.filter($column.gt(value).or($column.eq(value).and($id_column.gt($id))))
            }
            (Some(value), false) => $query.filter(
                $column.gt(value).or($column.eq(value).and($id_column.gt($id))).or($column.is_null()),
            ),
            (None, true) if nulls_first => {
                $query.filter($column.is_not_null().or($column.is_null().and($id_column.lt($id))))
            }
            (None, true) => $query.filter($column.is_null().and($id_column.lt($id))),
            (None, false) if nulls_first => {
                $query.filter($column.is_not_null().or($column.is_null().and($id_column.gt($id))))
            }
            (None, false) => $query.filter($column.is_null().and($id_column.gt($id))),
        }
    }};
}

/// The order for [`after_nullable`].
macro_rules! ordered_nullable {
    ($query:expr, $column:expr, $id_column:expr, $descending:expr, $nulls_high:expr) => {
        match ($descending, $nulls_high == $descending) {
            (true, true) => $query.order(($column.is_null().desc(), $column.desc(), $id_column.desc())),
            (true, false) => $query.order(($column.is_null().asc(), $column.desc(), $id_column.desc())),
            (false, true) => $query.order(($column.is_null().desc(), $column.asc(), $id_column.asc())),
            (false, false) => $query.order(($column.is_null().asc(), $column.asc(), $id_column.asc())),
        }
    };
}

pub(crate) use {after, after_nullable, ordered_nullable};
