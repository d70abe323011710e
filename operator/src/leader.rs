//! One of several replicas works: the one that holds the Lease.
//!
//! Times and numbers here are what others write into the Lease: what is reckoned with them saturates, or is checked.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

const NAME: &str = "sandglass-operator";

/// After so long without a word the holder counts as gone.
const HOLDS: Duration = Duration::from_secs(15);

/// Between two words of the holder, and two looks of the others.
const RENEWS: Duration = Duration::from_secs(5);

/// The right to work, as long as it is renewed.
pub struct Leadership {
    api: Api<Lease>,
    me: String,
}

impl Leadership {
    /// Waits until no other replica holds the Lease, and takes it.
    pub async fn acquire(client: Client, namespace: &str, me: String) -> Self {
        let leadership = Self {
            api: Api::namespaced(client, namespace),
            me,
        };
        loop {
            match leadership.take().await {
                Ok(true) => return leadership,
                Ok(false) => tracing::debug!("another replica leads"),
                Err(error) => {
                    tracing::warn!(%error, "the Lease {NAME} cannot be had, it is tried again")
                }
            }
            tokio::time::sleep(RENEWS).await;
        }
    }

    /// Returns once the Lease is lost: another replica works then, and this one must not.
    pub async fn lost(&self) {
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(RENEWS).await;
            match self.take().await {
                Ok(true) => renewed = tokio::time::Instant::now(),
                Ok(false) => return,
                // Before the others may take it.
                Err(_) if renewed.elapsed().saturating_add(RENEWS) < HOLDS => {}
                Err(_) => return,
            }
        }
    }

    /// Gives the Lease back: another replica need not wait until it has run out.
    pub async fn release(self) {
        if let Err(error) = self.give_back().await {
            tracing::warn!(%error, "the Lease {NAME} is not given back; the next replica works after {} s", HOLDS.as_secs());
        }
    }

    async fn give_back(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(NAME).await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.me) {
            return Ok(());
        }
        spec.holder_identity = None;
        let parameters = PostParams::default();
        self.api.replace(NAME, &parameters, &lease).await.map(drop)
    }

    /// Takes or renews the Lease, if nobody else holds it. That two take it at once is prevented by its version.
    async fn take(&self) -> Result<bool, kube::Error> {
        let now = Timestamp::now();
        let parameters = PostParams::default();
        let taken = match self.api.get_opt(NAME).await? {
            None => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(NAME.to_owned()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(self.spec(None, now)),
                };
                self.api.create(&parameters, &lease).await
            }
            Some(mut lease) => {
                if !is_free(lease.spec.as_ref(), &self.me, now) {
                    return Ok(false);
                }
                lease.spec = Some(self.spec(lease.spec.as_ref(), now));
                self.api.replace(NAME, &parameters, &lease).await
            }
        };
        match taken {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn spec(&self, before: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
        let before = before.cloned().unwrap_or_default();
        let is_mine = before.holder_identity.as_deref() == Some(&self.me);
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(HOLDS.as_secs()).ok(),
            acquire_time: if is_mine {
                before.acquire_time
            } else {
                Some(MicroTime(now))
            },
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(
                before
                    .lease_transitions
                    .unwrap_or(0)
                    .saturating_add(i32::from(!is_mine)),
            ),
            ..LeaseSpec::default()
        }
    }
}

fn is_free(spec: Option<&LeaseSpec>, me: &str, now: Timestamp) -> bool {
    let Some(spec) = spec else {
        return true;
    };
    let holds = spec.lease_duration_seconds.unwrap_or(0);
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    spec.holder_identity
        .as_deref()
        .is_none_or(|holder| holder.is_empty() || holder == me)
        || renewed.is_none_or(|renewed| {
            let until = renewed.checked_add(SignedDuration::from_secs(holds.into()));
            // What no clock can show is not over.
            until.is_ok_and(|until| until < now)
        })
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::mock::{self, failure, not_found};

    fn leadership(client: Client, me: &str) -> Leadership {
        Leadership {
            api: Api::namespaced(client, "own"),
            me: me.to_owned(),
        }
    }

    fn lease(holder: &Value) -> (u16, Value) {
        let lease = json!({
            "metadata": { "name": NAME, "resourceVersion": "7" },
            "spec": { "holderIdentity": holder, "leaseTransitions": 2 },
        });
        (200, lease)
    }

    #[tokio::test]
    async fn of_two_that_take_it_at_once_one_has_it() {
        let conflict = || failure(409, "Conflict", "the object has been modified");
        let (client, _) = mock::client(move |asked| match asked.method {
            Method::GET => not_found(),
            _ => conflict(),
        });
        assert!(!leadership(client, "b").take().await.unwrap());
        let (client, asked) = mock::client(move |asked| match asked.method {
            Method::GET => lease(&json!("")),
            _ => conflict(),
        });
        assert!(!leadership(client, "b").take().await.unwrap());
        // By the version that was read, so that the API server sees the other's.
        assert_eq!(asked.writes()[0].body["metadata"]["resourceVersion"], "7");
    }

    #[tokio::test]
    async fn only_ones_own_lease_is_given_back() {
        let (client, asked) = mock::client(|asked| match asked.method {
            Method::GET => lease(&json!("a")),
            _ => (200, asked.body.clone()),
        });
        leadership(client.clone(), "b").release().await;
        assert_eq!(asked.writes(), []);
        leadership(client, "a").release().await;
        let writes = asked.writes();
        assert_eq!(writes.len(), 1);
        assert_eq!(
            writes[0].body["spec"],
            json!({ "leaseTransitions": 2 }),
            "without a holder"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_renew_stops_before_another_may_begin() {
        let (client, _) = mock::client(|_| failure(503, "ServiceUnavailable", "not now"));
        let begun = tokio::time::Instant::now();
        leadership(client, "a").lost().await;
        assert!(begun.elapsed() <= HOLDS, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_lease_is_free_when_its_holder_is_silent() {
        let now = Timestamp::now();
        let held = |seconds: i64| LeaseSpec {
            holder_identity: Some("a".to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(now - SignedDuration::from_secs(seconds))),
            ..LeaseSpec::default()
        };
        assert!(is_free(None, "b", now));
        assert!(!is_free(Some(&held(10)), "b", now));
        assert!(is_free(Some(&held(10)), "a", now));
        assert!(is_free(Some(&held(16)), "b", now));
    }
}
