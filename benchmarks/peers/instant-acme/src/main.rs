//! Obtains certificates with the crate instant-acme, the way its example does.

mod answers;
mod measure;

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, OrderStatus, RetryPolicy,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use crate::answers::Answers;
use crate::measure::{cpu_seconds, peak_rss};

type Failure = Box<dyn Error + Send + Sync>;

struct Run {
    account: Account,
    answers: Answers,
    tag: String,
    names: usize,
}

impl Run {
    async fn obtain(&self, number: usize) -> Result<(), Failure> {
        let identifiers: Vec<_> = (0..self.names)
            .map(|i| Identifier::Dns(format!("n{i}.o{number}.{}.example.test", self.tag)))
            .collect();
        let mut order = self
            .account
            .new_order(&NewOrder::new(&identifiers))
            .await?;
        let mut tokens = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let mut challenge = authorization
                .challenge(ChallengeType::Http01)
                .ok_or("no http-01 challenge")?;
            self.answers
                .put(&challenge.token, challenge.key_authorization().as_str());
            tokens.push(challenge.token.clone());
            challenge.set_ready().await?;
        }
        let status = order.poll_ready(&RetryPolicy::default()).await?;
        if status != OrderStatus::Ready {
            return Err(format!("the order is {status:?}").into());
        }
        order.finalize().await?;
        order.poll_certificate(&RetryPolicy::default()).await?;
        tokens.iter().for_each(|token| self.answers.remove(token));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = options()?;
    let number = |name: &str| -> Result<usize, Failure> {
        Ok(options.get(name).map_or("1", String::as_str).parse()?)
    };
    let text = |name: &str| options.get(name).ok_or(format!("--{name} is missing"));
    if options.contains_key("propagation") {
        return Err("--propagation: this program does not wait".into());
    }
    let (orders, concurrency) = (number("orders")?, number("concurrency")?);
    let key = PrivatePkcs8KeyDer::from_pem_file(text("account-key")?)?;
    let (trust, url, directory) = (text("trust")?, text("account-url")?, text("directory")?);
    let answers = Answers::serve(text("http-port")?.parse()?)?;

    let (cpu, began) = (cpu_seconds(), Instant::now());
    let account = Account::builder_with_root(trust)?
        .from_parts(url.clone(), key, directory.clone())
        .await?;
    let run = Arc::new(Run {
        account,
        answers,
        tag: text("tag")?.clone(),
        names: number("names")?,
    });
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..concurrency)
        .map(|_| {
            let (run, next) = (run.clone(), next.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let order = next.fetch_add(1, Ordering::Relaxed);
                    if order >= orders {
                        return Ok::<_, Failure>(latencies);
                    }
                    let started = Instant::now();
                    run.obtain(order).await?;
                    latencies.push(started.elapsed().as_secs_f64());
                }
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.await??);
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    latencies.sort_by(f64::total_cmp);
    let latency = latencies[latencies.len() / 2];
    let rss = peak_rss()?;
    println!(
        "{}",
        serde_json::json!({"wall": wall, "cpu": cpu, "latency": latency, "rss": rss})
    );
    Ok(())
}

fn options() -> Result<HashMap<String, String>, Failure> {
    let mut options = HashMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        options.insert(name.trim_start_matches('-').to_owned(), value);
    }
    Ok(options)
}
