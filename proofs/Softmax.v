(** Softmax is exactly 1 and 0, all at once or block by block.

    A key is a score and a value. The winner leads every other key by at least T nats (so there is one winner). The kernel
    subtracts the greatest score, rounds, and takes exp, of which two things are assumed: exp(0) = 1, and exp(x) = 0 for x <= -T.
    Denominators and outputs are sums in any order (Sums.v). A key that is masked counts as one far below.

    Block by block, a kernel holds the greatest score so far, a denominator and an output. When it goes on, what it holds is scaled by
    exp(old greatest - new greatest): 1 where the winner was seen before, 0 where it is seen now. What a kernel holds before the
    winner was seen does not matter, as it is times 0; it must be finite, which real numbers are here. Two kernels' results merge alike.
*)
From Coq Require Import Reals List ZArith Lia Lra Permutation.
From Flocq Require Import Core.
From Headwork Require Import Sums.
Open Scope R_scope.

(** (score, value) *)
Definition key : Type := (R * R)%type.

Definition greatest (m : R) (keys : list key) : Prop := In m (map fst keys) /\ Forall (fun k => fst k <= m) keys.

(** exp as a kernel computes it: anything between. *)
Definition exp_like (e : R -> R) (T : R) : Prop := e 0 = 1 /\ forall x, x <= - T -> e x = 0.

(** What exp gives for a key when m is subtracted. *)
Definition weight (rnd e : R -> R) (m : R) (k : key) : R := e (rnd (fst k - m)).

Definition weights (rnd e : R -> R) (m : R) (keys : list key) : list R := map (weight rnd e m) keys.

Definition weighted (rnd e : R -> R) (m : R) (keys : list key) : list R := map (fun k => weight rnd e m k * snd k) keys.

(** The results of a kernel for some keys: greatest score, denominator, output not yet divided. Each is a sum in any order. *)
Inductive kernel (rnd e : R -> R) : list key -> R -> R -> R -> Prop :=
  | at_once keys m d o :
      greatest m keys ->
      Permutation (terms d) (weights rnd e m keys) -> Permutation (terms o) (weighted rnd e m keys) ->
      kernel rnd e keys m (computed rnd d) (computed rnd o)
  | one_block_more seen old d' o' block m d o :
      kernel rnd e seen old d' o' -> greatest m (seen ++ block) ->
      Permutation (terms d) (d' * e (rnd (old - m)) :: weights rnd e m block) ->
      Permutation (terms o) (o' * e (rnd (old - m)) :: weighted rnd e m block) ->
      kernel rnd e (seen ++ block) m (computed rnd d) (computed rnd o)
  | merged one m1 d1 o1 other m2 d2 o2 m d o :
      kernel rnd e one m1 d1 o1 -> kernel rnd e other m2 d2 o2 -> greatest m (one ++ other) ->
      Permutation (terms d) (d1 * e (rnd (m1 - m)) :: d2 * e (rnd (m2 - m)) :: nil) ->
      Permutation (terms o) (o1 * e (rnd (m1 - m)) :: o2 * e (rnd (m2 - m)) :: nil) ->
      kernel rnd e (one ++ other) m (computed rnd d) (computed rnd o).

(** The key `winner` leads all others among the keys by at least T. *)
Definition leads (T : R) (winner : key) (keys : list key) : Prop :=
  exists others, Permutation keys (winner :: others) /\ Forall (fun k => fst k <= fst winner - T) others.

Definition lost (T : R) (winner : key) (keys : list key) : Prop := Forall (fun k => fst k <= fst winner - T) keys.

Lemma leads_app : forall T w a b, leads T w (a ++ b) -> (leads T w a /\ lost T w b) \/ (lost T w a /\ leads T w b).
Proof.
  intros T w a b (others & P & F).
  assert (I : In w (a ++ b)) by (eapply Permutation_in; [apply Permutation_sym, P|left; reflexivity]).
  apply in_app_or in I as [I|I]; apply in_split in I as (l & r & ->).
  - left. rewrite <- app_assoc in P. simpl in P.
    apply Permutation_sym, Permutation_cons_app_inv, Permutation_sym in P.
    assert (G : lost T w (l ++ r ++ b)).
    { apply Forall_forall. intros k K. rewrite Forall_forall in F. apply F. eapply Permutation_in; eauto. }
    rewrite app_assoc in G. apply Forall_app in G as [G1 G2]. split; [|exact G2].
    exists (l ++ r). split; [apply Permutation_sym, Permutation_middle|exact G1].
  - right. rewrite app_assoc in P.
    apply Permutation_sym, Permutation_cons_app_inv, Permutation_sym in P.
    assert (G : lost T w ((a ++ l) ++ r)).
    { apply Forall_forall. intros k K. rewrite Forall_forall in F. apply F. eapply Permutation_in; eauto. }
    rewrite <- app_assoc in G. apply Forall_app in G as [G1 G2]. split; [exact G1|].
    exists (l ++ r). split; [apply Permutation_sym, Permutation_middle|exact G2].
Qed.

Lemma greatest_of_leader : forall T w keys m, 0 < T -> leads T w keys -> greatest m keys -> m = fst w.
Proof.
  intros T w keys m HT (others & P & F) [I G]. rewrite Forall_forall in F, G.
  assert (fst w <= m) by (apply G; eapply Permutation_in; [apply Permutation_sym, P|left; reflexivity]).
  apply in_map_iff in I as (k & <- & I). apply (Permutation_in _ P) in I as [<-|I]; [reflexivity|].
  specialize (F _ I). lra.
Qed.

Lemma greatest_of_lost : forall T w keys m, lost T w keys -> greatest m keys -> m <= fst w - T.
Proof.
  intros T w keys m L [I _]. apply in_map_iff in I as (k & <- & I).
  unfold lost in L. rewrite Forall_forall in L. auto.
Qed.

Section kernels.
Context (t emin : Z) (ties : Z -> bool) (e : R -> R) (T : R).
Notation number := (generic_format radix2 (FLT_exp emin t)).
Notation rnd := (rounding t emin (Znearest ties)).
Context (Ht : (0 < t)%Z) (Hu : (emin <= 0)%Z) (HT : 0 < T) (NT : number T) (E : exp_like e T).

Lemma valid_exponents : Valid_exp (FLT_exp emin t).
Proof. apply FLT_exp_valid. exact Ht. Qed.

(** A sum of one number and zeros is that number, in any order. *)
Lemma sum_of_one : forall x zeros l s, number x -> Forall (fun z => z = 0) zeros ->
  Permutation l (x :: zeros) -> Permutation (terms s) l -> computed rnd s = x.
Proof.
  intros x zeros l s X Z P Q.
  assert (M : forall zs, Forall (fun z => z = 0) zs -> magnitude zs = 0 /\ total zs = 0).
  { induction 1 as [|y r -> _ [A B]]; unfold magnitude in *; simpl; [lra|]. rewrite A, B, Rabs_R0. lra. }
  destruct (M _ Z) as [M0 T0].
  assert (P' : Permutation (terms s) (x :: zeros)) by (eapply Permutation_trans; eauto).
  assert (Pt : Prec_gt_0 t) by exact Ht.
  set (c := cexp radix2 (FLT_exp emin t) x).
  assert (C : (emin <= c)%Z) by (unfold c, cexp, FLT_exp; lia).
  transitivity (total (x :: zeros)); [|simpl; rewrite T0; ring].
  apply sums_to_nearest_are_exact with c; auto.
  - constructor.
    + exists (Ztrunc (scaled_mantissa radix2 (FLT_exp emin t) x)).
      rewrite X at 1. reflexivity.
    + eapply Forall_impl; [|exact Z]. intros z ->. exists 0%Z. ring.
  - unfold magnitude in *. simpl. rewrite M0, Rplus_0_r.
    destruct (Req_dec x 0) as [->|N]; [rewrite Rabs_R0; apply bpow_ge_0|].
    apply Rlt_le. eapply Rlt_le_trans; [apply bpow_mag_gt|].
    apply bpow_le. unfold c, cexp, FLT_exp. lia.
Qed.

Lemma number_one : number 1.
Proof. change 1 with (bpow radix2 0). apply generic_format_bpow. unfold FLT_exp. lia. Qed.

Lemma exp_at_winner : forall m, e (rnd (m - m)) = 1.
Proof. intros m. unfold Rminus. rewrite Rplus_opp_r. unfold rounding. rewrite round_0; [apply E|apply valid_rnd_N]. Qed.

Lemma exp_below : forall x y, x <= y - T -> e (rnd (x - y)) = 0.
Proof.
  intros x y H. apply E. assert (V := valid_exponents). apply round_le_generic; auto with typeclass_instances.
  - apply generic_format_opp, NT.
  - lra.
Qed.

Lemma weights_of_lost : forall w keys, lost T w keys ->
  Forall (fun z => z = 0) (weights rnd e (fst w) keys) /\ Forall (fun z => z = 0) (weighted rnd e (fst w) keys).
Proof.
  intros w keys L. induction L as [|k r H L [A B]]; simpl; split; constructor; auto; unfold weight; rewrite exp_below by exact H; ring.
Qed.

Lemma weights_of_leader : forall w keys, leads T w keys ->
  exists zeros zeros', Forall (fun z => z = 0) zeros /\ Forall (fun z => z = 0) zeros' /\
  Permutation (weights rnd e (fst w) keys) (1 :: zeros) /\ Permutation (weighted rnd e (fst w) keys) (snd w :: zeros').
Proof.
  intros w keys (others & P & F). destruct (weights_of_lost w others F) as [A B].
  exists (weights rnd e (fst w) others), (weighted rnd e (fst w) others). repeat split; auto.
  - unfold weights. rewrite P. simpl. unfold weight at 1. rewrite exp_at_winner. reflexivity.
  - unfold weighted. rewrite P. simpl. unfold weight at 1. rewrite exp_at_winner, Rmult_1_l. reflexivity.
Qed.

Lemma kernel_greatest : forall keys m d o, kernel rnd e keys m d o -> greatest m keys.
Proof. intros keys m d o K; destruct K; assumption. Qed.

Lemma kernel_is_exact : forall keys m d o w, number (snd w) ->
  kernel rnd e keys m d o -> leads T w keys -> m = fst w /\ d = 1 /\ o = snd w.
Proof.
  intros keys m d o w W K.
  induction K as [keys m d o G Pd Po | seen old d' o' block m d o K IH G Pd Po
                  | one m1 d1 o1 other m2 d2 o2 m d o K1 IH1 K2 IH2 G Pd Po]; intros L;
    generalize (greatest_of_leader _ _ _ _ HT L G); intros ->.
  - destruct (weights_of_leader _ _ L) as (z & z' & A & B & C & D).
    split; [reflexivity|]. split; [exact (sum_of_one _ _ _ _ number_one A C Pd)|exact (sum_of_one _ _ _ _ W B D Po)].
  - apply leads_app in L as [[L R]|[R L]].
    + destruct (IH L) as (-> & -> & ->). destruct (weights_of_lost _ _ R) as [A B].
      rewrite exp_at_winner, Rmult_1_r in Pd, Po.
      split; [reflexivity|]. split; [apply (sum_of_one _ _ _ _ number_one A (Permutation_refl _))
                                    |apply (sum_of_one _ _ _ _ W B (Permutation_refl _))]; assumption.
    + destruct (weights_of_leader _ _ L) as (z & z' & A & B & C & D).
      rewrite exp_below, Rmult_0_r in Pd, Po by (eapply greatest_of_lost; eauto using kernel_greatest).
      assert (H : forall x zs l, Permutation l (x :: zs) -> Permutation (0 :: l) (x :: 0 :: zs)).
      { intros x zs l P. rewrite P. apply perm_swap. }
      split; [reflexivity|]. split.
      * apply (sum_of_one 1 (0 :: z) _ _ number_one (Forall_cons _ eq_refl A) (H _ _ _ C) Pd).
      * apply (sum_of_one (snd w) (0 :: z') _ _ W (Forall_cons _ eq_refl B) (H _ _ _ D) Po).
  - assert (Z : Forall (fun z => z = 0) (0 :: nil)) by auto.
    apply leads_app in L as [[L R]|[R L]].
    + destruct (IH1 L) as (-> & -> & ->).
      rewrite exp_at_winner, exp_below, Rmult_0_r in Pd, Po by (eapply greatest_of_lost; eauto using kernel_greatest).
      rewrite Rmult_1_r in Pd, Po.
      split; [reflexivity|]. split; [apply (sum_of_one _ _ _ _ number_one Z (Permutation_refl _))
                                    |apply (sum_of_one _ _ _ _ W Z (Permutation_refl _))]; assumption.
    + destruct (IH2 L) as (-> & -> & ->).
      rewrite exp_at_winner, exp_below, Rmult_0_r in Pd, Po by (eapply greatest_of_lost; eauto using kernel_greatest).
      rewrite Rmult_1_r in Pd, Po.
      split; [reflexivity|]. split; [apply (sum_of_one _ _ _ _ number_one Z (perm_swap _ _ _))
                                    |apply (sum_of_one _ _ _ _ W Z (perm_swap _ _ _))]; assumption.
Qed.
End kernels.

(** All at once: every weight divided by the denominator is 1 for the winner and 0 for every other key, and the sum of values so
    weighted, in any order, is the winner's value. *)
Theorem softmax_is_one_hot :
  forall (t emin : Z) (ties : Z -> bool) (e : R -> R) (T m : R) (winner : key) (others keys : list key) (denominator output : sum),
  let rnd := rounding t emin (Znearest ties) in
  let p k := rnd (weight rnd e m k / computed rnd denominator) in
  (0 < t)%Z -> (emin <= 0)%Z -> 0 < T -> generic_format radix2 (FLT_exp emin t) T -> exp_like e T ->
  generic_format radix2 (FLT_exp emin t) (snd winner) ->
  Permutation keys (winner :: others) -> Forall (fun k => fst k <= fst winner - T) others ->
  greatest m keys -> Permutation (terms denominator) (weights rnd e m keys) ->
  Permutation (terms output) (map (fun k => p k * snd k) keys) ->
  p winner = 1 /\ Forall (fun k => p k = 0) others /\ computed rnd output = snd winner.
Proof.
  intros t emin ties e T m w others keys d o rnd p Ht Hu HT NT E W P F G Pd Po.
  assert (L : leads T w keys) by (exists others; auto).
  assert (m = fst w) as -> by (eapply greatest_of_leader; eauto).
  destruct (weights_of_leader t emin ties e T Ht NT E w keys L) as (z & z' & A & _ & C & _).
  assert (D : computed rnd d = 1).
  { unfold rnd. eapply (sum_of_one t emin ties Ht); eauto. apply number_one; assumption. }
  assert (P1 : p w = 1).
  { unfold p. rewrite D. unfold weight, rnd. rewrite exp_at_winner with (T := T) by assumption.
    unfold Rdiv. rewrite Rinv_1, Rmult_1_r. apply round_generic; [apply valid_rnd_N|apply number_one; assumption]. }
  assert (P0 : Forall (fun k => p k = 0) others).
  { eapply Forall_impl; [|exact F]. intros k H. simpl in H. unfold p, weight, rnd.
    rewrite exp_below with (T := T) by assumption. unfold Rdiv. rewrite Rmult_0_l. apply round_0, valid_rnd_N. }
  split; [exact P1|]. split; [exact P0|].
  apply (sum_of_one t emin ties Ht (snd w) (map (fun k => p k * snd k) others) (map (fun k => p k * snd k) keys)); auto.
  - apply Forall_map. eapply Forall_impl; [|exact P0]. intros k H. simpl in *. rewrite H. ring.
  - rewrite P. simpl. rewrite P1, Rmult_1_l. reflexivity.
Qed.

(** Block by block, in any order of the blocks, the winner in the first, the last or between, with results merged or not: the
    denominator is 1, and the output is the winner's value, divided by the denominator or times its inverse. *)
Theorem blockwise_softmax_is_one_hot :
  forall (t emin : Z) (ties : Z -> bool) (e : R -> R) (T m denominator output : R) (winner : key) (others keys : list key),
  let rnd := rounding t emin (Znearest ties) in
  (0 < t)%Z -> (emin <= 0)%Z -> 0 < T -> generic_format radix2 (FLT_exp emin t) T -> exp_like e T ->
  generic_format radix2 (FLT_exp emin t) (snd winner) ->
  Permutation keys (winner :: others) -> Forall (fun k => fst k <= fst winner - T) others ->
  kernel rnd e keys m denominator output ->
  denominator = 1 /\ output = snd winner /\
  rnd (output / denominator) = snd winner /\ rnd (output * rnd (1 / denominator)) = snd winner.
Proof.
  intros t emin ties e T m d o w others keys rnd Ht Hu HT NT E W P F K.
  assert (L : leads T w keys) by (exists others; auto).
  destruct (kernel_is_exact t emin ties e T Ht Hu HT NT E keys m d o w W K L) as (_ & -> & ->).
  assert (O : rnd 1 = 1) by (apply round_generic; [apply valid_rnd_N|apply number_one; assumption]).
  assert (V : rnd (snd w) = snd w) by (apply round_generic; [apply valid_rnd_N|exact W]).
  unfold Rdiv. rewrite Rinv_1, !Rmult_1_r, O, Rmult_1_r. auto.
Qed.
