/** What the service answers, as far as the page reads it; all of it: docs/openapi.json. */
export interface Session {
  name: string;
  tenant: string;
  role: string | null;
  scopes: string[];
  auth: "tokens" | "off";
  version: string;
  max_upload_bytes?: number;
  s3_sources?: boolean;
}

export interface Job {
  id: string;
  source_name: string;
  source_bytes: number;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  stage: string | null;
  progress: number;
  attempts: number;
  created_at: string;
  finished_at: string | null;
  error: { code: string; message: string; fix: string } | null;
  options: { language: string | null };
}

export interface Summary {
  id: string;
  source_name: string;
  created_at: string;
  duration_ms: number;
  speech_ms: number;
  language: string | null;
  segments: number;
  dominant: string[];
  shares: Record<string, number>;
  flagged: number;
  flagged_share: number;
  flagged_reviewed: number;
  reviewed: number;
  reviewed_share: number | null;
}

/** What stands about one sentence; `label` is null when the decision was undone. */
export interface Correction {
  segment_index: number;
  revision: number;
  label: string | null;
  mixed: string[];
  may_train: boolean;
  reviewer: string;
  decided_at: string;
  model_label: string | null;
  agrees: boolean | null;
}

export interface Progress {
  segments: number;
  flagged: number;
  flagged_reviewed: number;
  reviewed: number;
  agreed: number;
  classes: { label: string; reviewed: number; agreed: number }[];
  confusion: Record<string, Record<string, number>>;
  reviewers: Record<string, number>;
}

export interface Corrections {
  analysis_id: string;
  corrections: Correction[];
  progress: Progress;
}

export interface Queue {
  flagged: number;
  left: number;
  items: {
    segment_index: number;
    revision: number;
    priority: number;
    reasons: string[];
  }[];
}

export interface SearchRow {
  analysis_id: string;
  source_name: string;
  segment_index: number;
  start_ms: number;
  end_ms: number;
  text: string;
  text_en: string;
  language: string;
  label: string | null;
  confidence: number | null;
  scores: Record<string, number> | null;
  needs_review: boolean;
}

/** A recording on its way to the service. */
export interface Upload {
  key: number;
  file: File;
  state: "waiting" | "sending" | "failed";
  sentBytes: number;
  error: Error | null;
  cancel: () => void;
}

/** What every view is given. */
export interface Desk {
  api: import("./api.js").Api;
  session: Session;
  can(scope: string): boolean;
  /** Go to an address of this page. */
  navigate(address: string): void;
  /** Change what stands in the address without going anywhere; null: without it. */
  keep(values: Record<string, string | null>): void;
  /** Say something that has happened, also to those who only listen. */
  announce(text: string): void;
}

/** One view; it fills `root` and stops when `signal` says so. */
export type View = (
  root: HTMLElement,
  params: URLSearchParams,
  desk: Desk,
  signal: AbortSignal,
) => void | Promise<void>;
