//! Where a clinic ships free of charge.

use nimbus_core::{ids::ClinicId, time::Ts, us::State};

use crate::{
    engine::{Row, Statement, Tx},
    error::{Error, Result},
};

/// A clinic's rule: free to a state, by a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeShipping {
    /// `None` is every state.
    pub state: Option<State>,
    /// `None` is every service.
    pub service_id: Option<String>,
}

fn read(row: &Row) -> Result<FreeShipping> {
    let mut columns = row.columns();
    let (state, service): (String, String) = (columns.take()?, columns.take()?);
    let state = match state.as_str() {
        "" => None,
        code => Some(State::parse(code).map_err(|_| Error::Corrupt("free_shipping.state"))?),
    };
    Ok(FreeShipping { state, service_id: Some(service).filter(|id| !id.is_empty()) })
}

/// A clinic's rules, by state and service. There are few: whoever puts them limits them.
pub async fn free_shipping_list(tx: &mut Tx, clinic: ClinicId) -> Result<Vec<FreeShipping>> {
    let sql = "select state, service_id from free_shipping where clinic_id = $1 order by state, service_id";
    tx.query(sql, &[clinic.into()]).await?.iter().map(read).collect()
}

/// Puts a clinic's rules in the place of those before.
pub async fn free_shipping_put(tx: &mut Tx, clinic: ClinicId, rules: &[FreeShipping], now: Ts) -> Result<()> {
    tx.execute("delete from free_shipping where clinic_id = $1", &[clinic.into()]).await?;
    let sql = "insert into free_shipping (clinic_id, state, service_id, created_at) values ($1, $2, $3, $4)
        on conflict (clinic_id, state, service_id) do nothing";
    let inserts = rules.iter().map(|rule| {
        let (state, service) = (rule.state.map_or("", State::code), rule.service_id.as_deref().unwrap_or(""));
        Statement::new(sql, vec![clinic.into(), state.into(), service.into(), now.into()])
    });
    tx.batch(inserts.collect()).await?;
    Ok(())
}
