use std::collections::BTreeMap;

/// Sums of bookings by account, in cents.
#[derive(Default)]
pub struct Ledger {
    sums: BTreeMap<String, i64>,
}

impl Ledger {
    pub fn book(&mut self, from: &str, to: &str, cents: i64) -> Result<(), String> {
        if cents <= 0 {
            return Err(format!("a booking of {cents} cents"));
        }
        *self.sums.entry(from.to_string()).or_insert(0) -= cents;
        *self.sums.entry(to.to_string()).or_insert(0) += cents;
        Ok(())
    }

    pub fn overdrawn(&self) -> impl Iterator<Item = (&str, i64)> {
        self.sums.iter().filter(|(_, sum)| **sum < 0).map(|(name, sum)| (name.as_str(), *sum))
    }
}
