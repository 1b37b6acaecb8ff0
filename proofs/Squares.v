(** Completing the square: scores of codes that are a scaled distance, and the lead that distance gives.

    Codes are lists of integers, lambda the positive factor of each dimension, q = lambda·b the query for the code b.
*)
From Coq Require Import ZArith Lia List.
Import ListNotations.
Open Scope Z_scope.

(** Sums of lambda·b·b', and of lambda·(b - b')^2. *)
Fixpoint product (lambda b b' : list Z) : Z :=
  match lambda, b, b' with l :: ls, x :: xs, y :: ys => l * x * y + product ls xs ys | _, _, _ => 0 end.

Fixpoint squared_distance (lambda b b' : list Z) : Z :=
  match lambda, b, b' with l :: ls, x :: xs, y :: ys => l * ((x - y) * (x - y)) + squared_distance ls xs ys | _, _, _ => 0 end.

(** The score of query code b and key code b', with what each side adds alone. *)
Definition score (lambda b b' : list Z) (query_alone key_alone : Z) : Z := product lambda b b' + query_alone + key_alone.

Definition side (lambda b : list Z) (alone : Z) : Z := product lambda b b + 2 * alone.

Theorem score_is_a_distance :
  forall (lambda b b' : list Z) (query_alone key_alone : Z),
  length b = length lambda -> length b' = length lambda ->
  2 * score lambda b b' query_alone key_alone
  = - squared_distance lambda b b' + side lambda b query_alone + side lambda b' key_alone.
Proof.
  intros lambda b b' qa ka. unfold score, side.
  assert (H : length b = length lambda -> length b' = length lambda ->
              2 * product lambda b b' = - squared_distance lambda b b' + product lambda b b + product lambda b' b').
  { revert b b'. induction lambda as [|l ls IH]; intros [|x xs] [|y ys] Hx Hy; try discriminate; [reflexivity|].
    cbn [product squared_distance length] in *. specialize (IH xs ys ltac:(lia) ltac:(lia)). rewrite Z.mul_add_distr_l, IH. ring. }
  intros Hx Hy. specialize (H Hx Hy). lia.
Qed.

(** Different codes are apart by the least lambda·spacing^2, spacing the least difference of two different numbers in a dimension. *)
Theorem different_codes_are_apart :
  forall (delta : Z) (lambda b b' : list Z),
  length b = length lambda -> length b' = length lambda -> Forall (fun l => 0 < l) lambda -> b <> b' ->
  (forall d, nth d b 0 <> nth d b' 0 -> delta <= nth d lambda 0 * ((nth d b 0 - nth d b' 0) * (nth d b 0 - nth d b' 0))) ->
  delta <= squared_distance lambda b b'.
Proof.
  intros delta lambda. induction lambda as [|l ls IH]; intros [|x xs] [|y ys] Hx Hy P N D; simpl in *; try discriminate; [congruence|].
  inversion P as [|? ? L Ls]; subst.
  assert (POS : forall ms us vs, Forall (fun m => 0 < m) ms -> 0 <= squared_distance ms us vs).
  { induction ms as [|m ms I]; intros [|u us] [|v vs] F; simpl; try lia. inversion F; subst.
    specialize (I us vs H2). generalize (Z.square_nonneg (u - v)). nia. }
  destruct (Z.eq_dec x y) as [->|U].
  - specialize (IH xs ys ltac:(lia) ltac:(lia) Ls ltac:(congruence) (fun d => D (S d))).
    replace (y - y) with 0 by ring. lia.
  - specialize (D O U). simpl in D. specialize (POS ls xs ys Ls). lia.
Qed.

(** So a key of another code scores less than the match by delta / 2 (twice the scores: delta), up to what the sides differ. *)
Theorem distance_gives_the_lead :
  forall (delta : Z) (lambda b other : list Z) (query_alone match_alone other_alone : Z),
  length b = length lambda -> length other = length lambda -> delta <= squared_distance lambda b other ->
  2 * score lambda b other query_alone other_alone
  <= 2 * score lambda b b query_alone match_alone - delta + (side lambda other other_alone - side lambda b match_alone).
Proof.
  intros delta lambda b other qa ma oa Hb Ho D.
  rewrite !score_is_a_distance by assumption.
  assert (Z0 : forall ls xs, squared_distance ls xs xs = 0).
  { induction ls as [|l ls I]; intros [|x xs]; simpl; try reflexivity. rewrite I. ring. }
  rewrite Z0. lia.
Qed.

(** Where the factor is one for all dimensions and squared norms have one parity, different codes are apart by twice the factor. *)
Theorem codes_of_one_parity_are_apart :
  forall (l : Z) (b b' : list Z), 0 < l -> length b = length b' -> b <> b' ->
  Z.even (product (repeat 1 (length b)) b b) = Z.even (product (repeat 1 (length b)) b' b') ->
  2 * l <= squared_distance (repeat l (length b)) b b'.
Proof.
  intros l b b' L H N E.
  assert (K : forall xs ys, length xs = length ys ->
    squared_distance (repeat l (length xs)) xs ys = l * squared_distance (repeat 1 (length xs)) xs ys).
  { induction xs as [|x xs I]; intros [|y ys] Hl; cbn [length repeat squared_distance] in *; try discriminate; [ring|].
    rewrite I by lia. ring. }
  assert (O : forall xs ys, length xs = length ys -> xs <> ys -> 1 <= squared_distance (repeat 1 (length xs)) xs ys).
  { intros xs ys Hl Hn. apply different_codes_are_apart; auto.
    - now rewrite repeat_length.
    - rewrite repeat_length. auto.
    - apply Forall_forall. intros z I. apply repeat_spec in I. lia.
    - intros d Hd. assert (d < length xs)%nat.
      { destruct (Nat.lt_ge_cases d (length xs)) as [A|A]; [exact A|]. exfalso. apply Hd. rewrite !nth_overflow by lia. reflexivity. }
      assert (W : nth d (repeat 1 (length xs)) 0 = 1).
      { rewrite (nth_indep _ 0 1) by (now rewrite repeat_length). apply nth_repeat. }
      rewrite W. assert (nth d xs 0 - nth d ys 0 <= -1 \/ 1 <= nth d xs 0 - nth d ys 0) by lia. nia. }
  assert (P := score_is_a_distance (repeat 1 (length b)) b b' 0 0).
  rewrite repeat_length in P. specialize (P eq_refl ltac:(lia)). unfold score, side in P.
  rewrite K by exact H. specialize (O b b' H N).
  set (s := squared_distance (repeat 1 (length b)) b b') in *.
  set (n := product (repeat 1 (length b)) b b) in *. set (n' := product (repeat 1 (length b)) b' b') in *.
  assert (s <> 1).
  { intros S1. assert (Z.even (n + n') = true) by (rewrite Z.even_add, E; destruct (Z.even n'); reflexivity).
    rewrite S1 in P. apply Z.even_spec in H0. destruct H0 as [j J]. lia. }
  assert (2 <= s) by lia. nia.
Qed.

(** The order rule: keys of one meaning are put in order, and each leads the one before it by a gap. Then the last leads every other
    by a gap, so the winner is one alone. *)
Theorem last_in_order_leads_all :
  forall (score : nat -> Z) (gap : Z) (n : nat), 0 <= gap ->
  (forall j, (S j < n)%nat -> score j + gap <= score (S j)) ->
  forall j, (S j < n)%nat -> score j + gap <= score (pred n).
Proof.
  intros score gap n G H.
  assert (M : forall i j, (S (j + i) < n)%nat -> score j + gap <= score (S (j + i))).
  { induction i as [|i IH]; intros j L.
    - rewrite Nat.add_0_r in *. apply H, L.
    - specialize (IH j ltac:(lia)). specialize (H (S (j + i)) ltac:(lia)).
      replace (S (j + S i)) with (S (S (j + i))) by lia. lia. }
  intros j L. specialize (M (n - 2 - j)%nat j ltac:(lia)). replace (S (j + (n - 2 - j))) with (pred n) in M by lia. exact M.
Qed.
