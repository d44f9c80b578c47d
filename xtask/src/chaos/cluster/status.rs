//! What Patroni reports of all members.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::MEMBERS;
use super::member::index_of;

#[derive(Debug, Deserialize)]
pub(super) struct Status {
    members: Vec<MemberStatus>,
}

#[derive(Debug, Deserialize)]
struct MemberStatus {
    name: String,
    role: String,
    state: String,
    timeline: Option<u32>,
}

impl Status {
    pub(super) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).with_context(|| format!("not a status: {text:?}"))
    }

    /// The member that holds the leader's key.
    pub(super) fn leader(&self) -> Option<usize> {
        self.members.iter().find(|member| member.role == "leader").and_then(|member| index_of(&member.name))
    }

    /// A standby that can take over: the synchronous one if there is one.
    pub(super) fn candidate(&self) -> Option<usize> {
        let with = |role: &str| self.members.iter().find(|member| member.role == role && member.is_running());
        with("sync_standby").or_else(|| with("replica")).and_then(|member| index_of(&member.name))
    }

    /// The leader, if every member runs on its timeline.
    pub(super) fn healthy_leader(&self) -> Result<usize> {
        ensure!(self.members.len() == MEMBERS, "{} of {MEMBERS} members are registered", self.members.len());
        let leader = self.leader().context("no member is the leader")?;
        let timelines: Vec<_> = self.members.iter().map(|member| member.timeline).collect();
        for member in &self.members {
            ensure!(member.is_running(), "{} is {}", member.name, member.state);
        }
        let is_one = timelines.windows(2).all(|pair| pair.first() == pair.last());
        ensure!(is_one, "the members are on the timelines {timelines:?}");
        Ok(leader)
    }
}

impl MemberStatus {
    fn is_running(&self) -> bool {
        ["running", "streaming"].contains(&self.state.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(states: [(&str, &str, u32); 3]) -> Status {
        let member = |(index, (role, state, timeline)): (usize, (&str, &str, u32))| MemberStatus {
            name: format!("m{}", index + 1),
            role: role.to_owned(),
            state: state.to_owned(),
            timeline: Some(timeline),
        };
        Status { members: states.into_iter().enumerate().map(member).collect() }
    }

    #[test]
    fn a_cluster_is_healthy_with_a_leader_and_one_timeline() {
        let good =
            status([("replica", "running", 2), ("leader", "running", 2), ("sync_standby", "streaming", 2)]);
        assert_eq!((good.healthy_leader().unwrap(), good.candidate()), (1, Some(2)));
        let behind = status([("replica", "running", 1), ("leader", "running", 2), ("replica", "running", 2)]);
        assert!(behind.healthy_leader().unwrap_err().to_string().contains("timelines"));
        let leaderless =
            status([("replica", "running", 1), ("replica", "running", 1), ("replica", "running", 1)]);
        assert!(leaderless.healthy_leader().is_err());
        let starting =
            status([("replica", "starting", 1), ("leader", "running", 1), ("replica", "running", 1)]);
        assert_eq!(starting.healthy_leader().unwrap_err().to_string(), "m1 is starting");
    }

    #[test]
    fn the_answer_of_patroni_is_understood() {
        let text = r#"{"members": [{"name": "m1", "role": "leader", "state": "running", "api_url": "http://x",
            "host": "127.0.0.1", "port": 1, "timeline": 1}], "scope": "chaos"}"#;
        assert_eq!(Status::parse(text).unwrap().leader(), Some(0));
        assert!(Status::parse("").is_err());
    }
}
